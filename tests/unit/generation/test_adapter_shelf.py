"""A generator in this process applies adapters by their hash: several at once, few in memory."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch

from core.blobs import FolderBlobStore, blob_path
from core.settings import GenerationSettings
from generation.adapter_shelf import AdapterShelf
from generation.engine.adapters import Adapter, LowRank, load_adapter, serialise_adapter
from generation.errors import AdapterMissingError, AdapterUnusableError
from generation.local import LocalGenerator
from generation.local_model import load_model
from generation.types import Message, Sampling
from tests.unit.generation.engine.tiny import tiny_config, tiny_tensors, write_gguf
from tests.unit.generation.worker_house import House

SETTINGS = GenerationSettings(weights="float32", num_threads=1)
HI = [Message("user", "Hi")]
# rank 4, two products of 64 inputs and 128 outputs
NUM_BYTES = 2 * 4 * (64 + 128) * 4


def never() -> bool:
    """A caller that stays."""
    return False


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = tiny_config(vocab_size=280, max_positions=256)
    return write_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf", tiny_tensors(config), config)


@pytest.fixture(scope="module")
def base(model: Path) -> str:
    """The hash of the weights."""
    return sha256(model.read_bytes()).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where adapters are kept."""
    return tmp_path / "adapters"


def draw(base: str, *, seed: int) -> Adapter:
    generator = torch.Generator().manual_seed(seed)
    factors = {
        f"blocks.{layer}.attention.qkv.weight": LowRank(
            torch.randn(4, 64, generator=generator), torch.randn(128, 4, generator=generator)
        )
        for layer in (0, 2)
    }
    return Adapter(factors, scale=0.5, base_sha256=base, prompt="direct@1")


def keep(folder: Path, adapter: Adapter) -> str:
    """Put an adapter where it is kept; its name."""
    with FolderBlobStore(folder).begin() as blob:
        blob.write(serialise_adapter(adapter))
        blob.keep()
        return blob.sha256


def build(model: Path, folder: Path | None, **options: object) -> LocalGenerator:
    settings = SETTINGS.model_copy(update=options)
    return LocalGenerator(model, settings, model="tiny", adapters_dir=folder)


@pytest.fixture
def generator(model: Path, folder: Path) -> Iterator[LocalGenerator]:
    with closing(build(model, folder)) as generator:
        yield generator


def text_of(generator: LocalGenerator, adapter: str = "") -> str:
    """A whole text."""
    sampling = Sampling(max_tokens=24, adapter=adapter)
    return "".join(generator.stream(HI, sampling, cancelled=never))


def merged_text(model: Path, folder: Path, adapter: str) -> str:
    """What a generator writes that has it in its weights."""
    path = blob_path(folder, adapter)
    with closing(LocalGenerator(model, SETTINGS, model="tiny", adapter=path)) as generator:
        return text_of(generator)


def test_texts_with_different_adapters_are_written_at_once_each_as_merged(
    generator: LocalGenerator, model: Path, folder: Path, base: str
) -> None:
    names = ["", *(keep(folder, draw(base, seed=seed)) for seed in (1, 2))]
    with closing(build(model, None)) as plain:
        expected = [text_of(plain), *(merged_text(model, folder, name) for name in names[1:])]
    assert len(set(expected)) == 3
    with ThreadPoolExecutor(6) as threads:
        written = threads.map(lambda name: text_of(generator, name), names * 2)
        assert list(written) == expected * 2


def test_samples_and_scores_are_the_adapters_too(
    generator: LocalGenerator, model: Path, folder: Path, base: str
) -> None:
    name = keep(folder, draw(base, seed=1))
    sampling = Sampling(temperature=1.0, seed=3, max_tokens=12, n=3)
    path = blob_path(folder, name)
    with closing(LocalGenerator(model, SETTINGS, model="tiny", adapter=path)) as merged:
        texts = [draft.text for draft in merged.sample(HI, sampling, cancelled=never)]
        scores = merged.score(HI, ["Hello", "No"])
    drafts = generator.sample(HI, replace(sampling, adapter=name), cancelled=never)
    assert [draft.text for draft in drafts] == texts
    assert generator.score(HI, ["Hello", "No"], adapter=name) == pytest.approx(scores, abs=1e-3)
    assert generator.score(HI, ["Hello", "No"]) != pytest.approx(scores, abs=1e-3)


def test_an_adapter_takes_the_place_of_one_that_is_merged(
    model: Path, folder: Path, base: str
) -> None:
    first, second = (keep(folder, draw(base, seed=seed)) for seed in (1, 2))
    both = LocalGenerator(
        model, SETTINGS, model="tiny", adapter=blob_path(folder, first), adapters_dir=folder
    )
    with closing(both) as generator:
        assert text_of(generator) == merged_text(model, folder, first)
        assert text_of(generator, second) == merged_text(model, folder, second)


@pytest.mark.parametrize("name", ["a" * 64, "../../etc/passwd", "A" * 64, "a"])
def test_an_unknown_one_is_told_with_a_remedy(generator: LocalGenerator, name: str) -> None:
    with pytest.raises(AdapterMissingError, match="'cimiento adapters add'"):
        text_of(generator, name)


def test_one_of_other_weights_is_refused(generator: LocalGenerator, folder: Path) -> None:
    name = keep(folder, draw("c" * 64, seed=1))
    with pytest.raises(
        AdapterUnusableError, match=r"trained on other weights .* cccccccccccc, not"
    ):
        text_of(generator, name)


def test_one_of_another_shape_is_refused(
    generator: LocalGenerator, folder: Path, base: str
) -> None:
    adapter = draw(base, seed=1)
    wrong = {name: LowRank(pair.a, pair.b[:64]) for name, pair in adapter.factors.items()}
    name = keep(folder, replace(adapter, factors=wrong))
    with pytest.raises(AdapterUnusableError, match="to 64 x 64, the model has 128 x 64"):
        text_of(generator, name)


def test_a_file_that_is_not_what_its_name_says_is_refused(
    generator: LocalGenerator, folder: Path, base: str
) -> None:
    name = keep(folder, draw(base, seed=1))
    path = blob_path(folder, name)
    right = path.read_bytes()
    path.write_bytes(serialise_adapter(draw(base, seed=2)))
    with pytest.raises(AdapterUnusableError, match="copy it again"):
        text_of(generator, name)
    # nothing of it is kept: the right one is taken as soon as it is there
    path.write_bytes(right)
    assert text_of(generator, name)


def test_a_model_without_adapters_says_so(model: Path, folder: Path, base: str) -> None:
    name = keep(folder, draw(base, seed=1))
    with (
        closing(build(model, None)) as generator,
        pytest.raises(AdapterUnusableError, match="no folder of adapters"),
    ):
        text_of(generator, name)


def test_those_asked_for_last_stay_in_memory(model: Path, folder: Path, base: str) -> None:
    loaded = load_model(model, precision="float32")
    names = [keep(folder, draw(base, seed=seed)) for seed in (1, 2, 3)]
    shelf = AdapterShelf(folder, loaded.prepare, max_bytes=2 * NUM_BYTES)
    first, second = (shelf.get(name) for name in names[:2])
    assert shelf.get(names[0]) is first
    assert shelf.num_bytes == 2 * NUM_BYTES
    shelf.get(names[2])
    assert shelf.num_bytes == 2 * NUM_BYTES
    assert shelf.get(names[0]) is first
    assert shelf.get(names[1]) is not second


def test_the_last_one_stays_however_large(model: Path, folder: Path, base: str) -> None:
    loaded = load_model(model, precision="float32")
    shelf = AdapterShelf(folder, loaded.prepare, max_bytes=0)
    name = keep(folder, draw(base, seed=1))
    assert shelf.get(name) is shelf.get(name)


def test_an_adapter_that_is_loaded_again_finds_its_own_prefixes(
    model: Path, folder: Path, base: str
) -> None:
    """Pages are known by the adapter's hash, not by where it lies in memory."""
    names = [keep(folder, draw(base, seed=seed)) for seed in (1, 2)]
    long = [Message("user", "Hi " * 40)]
    sampling = Sampling(max_tokens=4)
    with closing(build(model, folder, adapter_bytes=0)) as generator:
        texts = [
            "".join(generator.stream(long, replace(sampling, adapter=name), cancelled=never))
            for name in [*names, *names]
        ]
        assert texts[:2] == texts[2:]
        assert generator.stats().num_reused_tokens > 0


def test_the_file_that_training_wrote_is_the_one_that_is_applied(folder: Path, base: str) -> None:
    path = blob_path(folder, keep(folder, draw(base, seed=1)))
    assert load_adapter(path).base_sha256 == base


def test_a_worker_applies_the_adapter_that_a_request_names() -> None:
    house = House().started()
    house.engine.adapters.add("a" * 64)
    body = {"messages": [{"role": "user", "content": "Hi"}], "adapter": "a" * 64}
    assert house.post("/v1/chat/completions", body).status_code == 200
    (request,) = house.engine.requests
    assert request.adapter is not None
    assert request.adapter.sha256 == "a" * 64
    scored = {**body, "continuations": ["a"]}
    assert house.post("/v1/score", scored).status_code == 200
    for other, status, code in (("b" * 64, 404, "adapter_missing"), ("b", 400, "invalid_value")):
        for path, fields in (("/v1/chat/completions", body), ("/v1/score", scored)):
            response = house.post(path, {**fields, "adapter": other})
            assert (response.status_code, response.json()["error"]["code"]) == (status, code)
