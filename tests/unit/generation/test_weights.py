"""What comes with the service and was trained fits its models, and brings its cards."""

from pathlib import Path

import pytest

from core.models import CATALOGUE
from core.settings import ModelSettings
from generation.engine.adapters import load_adapter, load_with_others
from generation.extractor import FORMAT
from generation.prompts import load_prompt
from generation.weights import built_in_adapters, find_adapter, find_extractor

_MAX_BYTES = 20_000_000
_CARDS = {"README.md", "DATA.md", "loss.csv", "loss.svg", "metric.svg"}
EXTRACTOR = built_in_adapters()["reader"].parent / "extractor" / "extractor.safetensors"


def test_a_name_means_ours_and_a_path_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_adapter(Path("reader")) == built_in_adapters()["reader"]
    for path in (Path("other"), tmp_path / "reader", Path("a/reader")):
        assert find_adapter(path) == path
    assert find_extractor(Path("reader")) == EXTRACTOR
    for path in (Path("other"), tmp_path / "reader", Path("a/reader")):
        assert find_extractor(path) == path
    Path("reader").touch()
    assert find_adapter(Path("reader")) == find_extractor(Path("reader")) == Path("reader")


@pytest.mark.parametrize("path", built_in_adapters().values(), ids=built_in_adapters())
def test_each_is_of_the_shipped_model_and_has_its_cards(path: Path) -> None:
    adapter = load_adapter(path)
    shipped = CATALOGUE[ModelSettings().answer]
    assert adapter.base_sha256 in {file.sha256 for file in shipped.files}
    assert load_prompt(adapter.prompt).reference == adapter.prompt
    assert path.stat().st_size <= _MAX_BYTES
    assert {each.name for each in path.parent.iterdir()} >= _CARDS


def test_the_extractor_is_of_the_shipped_embedding_model_and_has_its_cards() -> None:
    adapter, head = load_with_others(
        EXTRACTOR, kind=FORMAT, others=("head.weight", "head.bias"), maker=""
    )
    shipped = CATALOGUE[ModelSettings().embedding]
    assert adapter.base_sha256 in {file.sha256 for file in shipped.files}
    assert shipped.embedding is not None
    assert head["head.weight"].shape == (2, shipped.embedding.dimensions)
    assert EXTRACTOR.stat().st_size <= _MAX_BYTES
    assert {each.name for each in EXTRACTOR.parent.iterdir()} >= _CARDS
