"""What was computed for a deleted text is found by no later prompt, whoever deleted the text."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.forgetting import ForgettingGenerator
from core.database import Database
from core.settings import GenerationSettings
from generation.local import LocalGenerator
from generation.types import Message, Sampling
from ingestion.uploads import OnConflict
from tests.databases import url_of
from tests.fakes_generation import FakeGenerator
from tests.unit.app.house import POOL
from tests.unit.app.house import House as Service
from tests.unit.generation.engine.tiny import tiny_config, tiny_tensors, write_gguf
from tests.unit.ingestion.house import EVERYTHING, House

SECRET = b"The key to the northern gate lies below the third stone of the wall."
PROMPT = [Message("user", SECRET.decode())]
SHORT = Sampling(max_tokens=2)


class Engine:
    """A generator of a serving process, over the engine itself, and what it reuses."""

    def __init__(self, local: LocalGenerator, database: Database) -> None:
        self._local = local
        self._generator = ForgettingGenerator(local, database)

    def reads(self) -> int:
        """Write after the prompt; how many of its tokens were not computed anew."""
        before = self._num_reused()
        list(self._generator.stream(PROMPT, SHORT, cancelled=lambda: False))
        return self._num_reused() - before

    def scores(self) -> int:
        """Score after the prompt; how many of its tokens were not computed anew."""
        before = self._num_reused()
        self._generator.score(PROMPT, ["where"])
        return self._num_reused() - before

    def close(self) -> None:
        """End it."""
        self._generator.close()

    def _num_reused(self) -> int:
        self._local.load()
        return self._local.stats().num_reused_tokens


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = tiny_config(vocab_size=280, max_positions=256)
    return write_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf", tiny_tensors(config), config)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[House]:
    """Another process that works on the same data: it shares nothing but the folder."""
    house = House(tmp_path / "data")
    yield house
    house.close()


@pytest.fixture
def engine(weights: Path, elsewhere: House) -> Iterator[Engine]:
    settings = GenerationSettings(weights="float32", num_threads=1)
    engine = Engine(
        LocalGenerator(weights, settings, model="tiny"),
        Database(url_of(elsewhere.data_dir)),
    )
    yield engine
    engine.close()


def test_what_another_process_deletes_is_not_reused(engine: Engine, elsewhere: House) -> None:
    accepted = elsewhere.add("gate.txt", SECRET)
    assert (engine.reads(), engine.reads() > 0, engine.scores() > 0) == (0, True, True)
    elsewhere.documents.delete(accepted.document_id, EVERYTHING)
    assert engine.scores() == 0
    assert engine.reads() > 0


@pytest.mark.parametrize("on_conflict", [OnConflict.REPLACE, OnConflict.VERSION])
def test_what_a_worker_replaces_is_not_reused(
    engine: Engine, elsewhere: House, on_conflict: OnConflict
) -> None:
    elsewhere.add("gate.txt", SECRET)
    assert (engine.reads(), engine.reads() > 0) == (0, True)
    elsewhere.add("gate.txt", b"The key is with the warden.", on_conflict=on_conflict)
    assert engine.reads() == 0


def test_what_is_added_costs_nobody_a_prefix(engine: Engine, elsewhere: House) -> None:
    assert engine.reads() == 0
    elsewhere.add("gate.txt", SECRET)
    assert engine.reads() > 0


def test_what_is_deleted_while_it_is_read_is_not_reused(elsewhere: House) -> None:
    accepted = elsewhere.add("gate.txt", SECRET)
    inner = FakeGenerator(reply="one two three")
    generator = ForgettingGenerator(inner, Database(url_of(elsewhere.data_dir)))
    words = generator.stream(PROMPT, SHORT, cancelled=lambda: False)
    next(words)
    before = inner.num_forgotten
    elsewhere.documents.delete(accepted.document_id, EVERYTHING)
    # somebody else's question comes in between, and what was deleted is news to it
    list(generator.stream(PROMPT, SHORT, cancelled=lambda: False))
    assert inner.num_forgotten == before + 1
    list(words)
    assert inner.num_forgotten == before + 2
    generator.close()


def test_the_service_forgets_before_it_answers_again(tmp_path: Path) -> None:
    service = Service(tmp_path / "data")
    document_id = service.add("pool.txt", POOL)
    body = {"question": "When does the pool open?", "min_confidence": 0}
    assert service.client.post("/v1/answer", json=body).json()["status"] == "answered"
    before = service.generator.num_forgotten
    elsewhere = House(tmp_path / "data")
    elsewhere.add("other.txt", b"Dogs wait outside the pool.")
    elsewhere.documents.delete(document_id, EVERYTHING)  # type: ignore[arg-type]
    assert service.client.post("/v1/answer", json=body).status_code == 200
    assert service.generator.num_forgotten == before + 1
    elsewhere.close()
    service.close()
