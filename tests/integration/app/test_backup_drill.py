"""The restore drill: a backup during ingestion, restored elsewhere, answers as the original did."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.adding import upload
from app.cli import main
from app.cli.context import open_services
from app.main import create_app
from app.services import Services
from app.wiring import build_worker
from core.access import Access
from core.embedding import Embedder
from core.settings import ModelSettings, Settings
from tests.conftest import ModelFiles
from tests.integration.waiting import until
from tests.unit.app.house import POOL

pytestmark = pytest.mark.weights

QUESTIONS = ("When does the swimming pool open?", "Are dogs allowed at the pool?")
NUM_DOCUMENTS = 4


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[Services, TestClient]]:
    """The services over real weights, and a client with a key."""
    with open_services(settings, upgrade=True, embedding_threads=1) as services:
        _, key = services.credentials.create_key("drill")
        client = TestClient(
            create_app(services),
            base_url=settings.base_url,
            headers={"Authorization": f"Bearer {key}"},
        )
        yield services, client


class HeldEmbedder:
    """The embedder, which can be held in the middle of its work."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.model = embedder.model
        self.num_dimensions = embedder.num_dimensions
        self.tokens = embedder.tokens
        self.may_go_on = threading.Event()
        self.num_held = 0

    def embed_queries(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed questions."""
        return self._embedder.embed_queries(texts)

    def embed_passages(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed passages, once it may."""
        self.num_held += not self.may_go_on.is_set()
        assert self.may_go_on.wait(300)
        return self._embedder.embed_passages(texts)


def ask(client: TestClient) -> list[dict[str, Any]]:
    """What the answers say, and what they were made of."""
    answers = []
    for question in QUESTIONS:
        body = {"question": question, "collections": ["default"]}
        answer = client.post("/v1/answer", json=body).json()
        answers.append({name: answer[name] for name in ("status", "answer", "receipt")})
    return answers


def run(settings: Settings, *arguments: str) -> dict[str, Any]:
    """A command over a data folder."""
    environment = {
        "CIMIENTO_DATA_DIR": str(settings.data_dir),
        "CIMIENTO_MODELS__DIR": str(settings.models_dir),
    }
    result = CliRunner().invoke(main, [*arguments, "--json"], env=environment)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def without_generation(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same, whenever they were asked."""
    return [{**each, "receipt": {**each["receipt"], "index_generation": 0}} for each in answers]


def test_a_backup_during_ingestion_answers_elsewhere_as_the_original(
    tmp_path: Path, model_files: ModelFiles
) -> None:
    models = ModelSettings(dir=model_files.root)
    settings = Settings(data_dir=tmp_path / "data", models=models)
    for name, text in [("pool.md", POOL), *_rivers()]:
        (tmp_path / name).write_text(text)
    with opened(settings) as (services, client):
        everything = Access.to_everything()
        default = services.collections.get("default", everything).id
        rivers = services.collections.create("rivers").id
        held = HeldEmbedder(services.embedder)
        held.may_go_on.set()
        with build_worker(settings, services.store, held):
            upload(services, tmp_path / "pool.md", default)
            until(lambda: not services.attempts.list_open(), within_s=240)
            before = ask(client)
            assert before[0]["status"] == "answered"
            held.may_go_on.clear()
            for name, _ in _rivers():
                upload(services, tmp_path / name, rivers)
            until(lambda: held.num_held > 0, within_s=240)
            taken = run(settings, "backup", str(tmp_path / "backups"))
            held.may_go_on.set()
            until(lambda: not services.attempts.list_open(), within_s=240)
    assert taken["documents"] == NUM_DOCUMENTS + 1
    elsewhere = Settings(data_dir=tmp_path / "elsewhere", models=models)
    restored = run(elsewhere, "restore", str(tmp_path / "backups"))
    assert (restored["ok"], restored["verify"]["findings"]) == (True, [])
    with opened(elsewhere) as (services, client):
        after = ask(client)
        assert without_generation(after) == without_generation(before)
        assert len(services.attempts.list_open()) == NUM_DOCUMENTS
        # what was in the queue is worked off there
        with build_worker(elsewhere, services.store, services.embedder):
            until(lambda: not services.attempts.list_open(), within_s=240)
        assert services.jobs.backlog().num_failed == 0
    assert run(elsewhere, "verify")["ok"]


def _rivers() -> list[tuple[str, str]]:
    sentence = "The river {0} rises in the hills and ends in the sea after {0} bends. "
    return [
        (f"{n}.md", "".join(sentence.format(n * 100 + m) for m in range(12)))
        for n in range(NUM_DOCUMENTS)
    ]
