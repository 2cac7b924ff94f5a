"""Without Ray, or networks that can be parted, these tests are left out and say why."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import pytest

from core.tuned_embedding import TunedEmbedding
from tests.conftest import ModelFiles
from tests.databases import postgresql_of
from tests.scale.cluster import Cluster, can_part_networks, one_node, two_nodes

TUNED = "second-embedder"
"""A model of another name that lies beside the pulled ones; its weights are the default's."""

_NO_RAY = pytest.mark.skip(reason="Ray is not installed: make test-scale installs it")


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Leave these out without Ray."""
    here = Path(__file__).parent
    for item in items if find_spec("ray") is None else ():
        if item.path.is_relative_to(here):
            item.add_marker(_NO_RAY)


@pytest.fixture
def models_dir(tmp_path: Path, model_files: ModelFiles) -> Path:
    """The pulled models, and one more that embeds."""
    folder = tmp_path / "models"
    second = folder / TUNED
    second.mkdir(parents=True)
    for model in model_files.root.iterdir():
        (folder / model.name).symlink_to(model)
    for part in model_files.embedding_model.iterdir():
        (second / part.name).symlink_to(part)
    card = TunedEmbedding(
        base="multilingual-e5-small",
        num_dimensions=384,
        query_prefix="query: ",
        passage_prefix="passage: ",
        gain=0.0,
        gain_low=0.0,
        gain_high=0.0,
        is_forced=True,
    )
    (second / "cimiento.json").write_text(json.dumps(asdict(card)))
    return folder


@pytest.fixture
def alone(tmp_path: Path, models_dir: Path) -> Iterator[Cluster]:
    """One node with SQLite."""
    settings = {
        "CIMIENTO_DATA_DIR": str(tmp_path / "data"),
        "CIMIENTO_MODELS__DIR": str(models_dir),
    }
    with one_node(settings) as cluster:
        yield cluster


@pytest.fixture
def parted(tmp_path: Path, models_dir: Path) -> Iterator[Cluster]:
    """Two nodes that a network joins, for work that needs no database."""
    yield from _two(tmp_path, models_dir, {})


@pytest.fixture
def parted_truth(tmp_path: Path, models_dir: Path) -> Iterator[Cluster]:
    """Two nodes that a network joins, over one PostgreSQL and one data folder."""
    settings = {"CIMIENTO_DATABASE__URL": postgresql_of(tmp_path / "data")}
    yield from _two(tmp_path, models_dir, settings)


def _two(data: Path, models_dir: Path, settings: Mapping[str, str]) -> Iterator[Cluster]:
    if not can_part_networks():
        pytest.skip("two nodes need network namespaces: root, and `ip netns`")
    common = {"CIMIENTO_DATA_DIR": str(data / "data"), "CIMIENTO_MODELS__DIR": str(models_dir)}
    with two_nodes({**common, **settings}) as cluster:
        yield cluster
