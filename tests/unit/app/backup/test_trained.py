"""What was trained comes along in a backup, and is found again where it is restored."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.adapters import Adapters, NewAdapter, StoredAdapter
from app.backup.errors import BackupDamagedError
from app.backup.manifest import ExtraFile
from app.backup.restoring import SETTINGS_NAME
from app.backup.taking import take_backup
from app.backup.trained import Trained, put_back
from core.access import Caller
from core.blobs import blob_path
from core.database import Database
from core.settings import ADAPTERS_FOLDER
from core.tuned_embedding import TUNED
from tests.unit.app.backup.conftest import Drill
from tests.unit.ingestion.conftest import house, migrated
from tests.unit.ingestion.house import EVERYTHING

__all__ = ["house", "migrated"]


def write_trained(data_dir: Path) -> dict[str, Path]:
    """Files that settings name, and a model that was tuned here."""
    files = {
        "CIMIENTO_MODELS__ADAPTER": data_dir.parent / "reader" / "adapter.safetensors",
        "CIMIENTO_MODELS__EXTRACTOR": data_dir.parent / "finger" / "extractor.safetensors",
        "CIMIENTO_GENERATION__REWARD": data_dir.parent / "taste" / "reward.safetensors",
        "CIMIENTO_INGESTION__CLASSIFIER": data_dir.parent / "topics" / "classifier.safetensors",
        "CIMIENTO_RETRIEVAL__ROUTER": data_dir.parent / "routes" / "classifier.safetensors",
    }
    for key, path in files.items():
        path.parent.mkdir()
        path.write_text(key)
    (data_dir / "models" / "tuned" / "1_Pooling").mkdir(parents=True)
    (data_dir / "models" / "tuned" / TUNED).write_text("{}")
    (data_dir / "models" / "tuned" / "1_Pooling" / "config.json").write_text("pooling")
    (data_dir / "models" / "pulled").mkdir()
    (data_dir / "models" / "pulled" / "model.gguf").write_text("can be pulled again")
    return files


def add_adapter(data_dir: Path, database: Database, words: str) -> StoredAdapter:
    path = data_dir.parent / "new.safetensors"
    path.write_text(words)
    new = NewAdapter(path, "b" * 64, "direct@1")
    return Adapters.below(data_dir, database).add("contracts", new, Caller.owner())[0]


def test_what_was_trained_comes_along(drill: Drill) -> None:
    house = drill.house
    files = write_trained(house.data_dir)
    first, second = (add_adapter(house.data_dir, house.database, words) for words in ("a", "b"))
    Adapters.below(house.data_dir, house.database).remove(first.reference)
    source = replace(
        drill.source(), trained=Trained(house.data_dir, house.data_dir / "models", files)
    )
    assert take_backup(source, drill.folder).manifest.lost == ()
    # what is there already is not copied again
    assert take_backup(source, drill.folder).num_new == 0

    place = drill.open_place("elsewhere")
    drill.restore(place)
    settings = dict(
        line.split("=", 1) for line in (place.data_dir / SETTINGS_NAME).read_text().splitlines()
    )
    assert settings.keys() == files.keys()
    for key, path in settings.items():
        assert place.data_dir in Path(path).parents
        assert Path(path).read_text() == key
    adapters = Adapters.below(place.data_dir, place.database)
    assert adapters.list(EVERYTHING) == [second]
    assert adapters.check(repair=False).findings == ()
    there = {
        path.relative_to(place.models_dir).as_posix()
        for path in place.models_dir.rglob("*")
        if path.is_file()
    }
    assert there == {f"tuned/{TUNED}", "tuned/1_Pooling/config.json"}


def test_an_adapter_that_is_lost_is_told_and_stops_nothing(drill: Drill) -> None:
    adapter = add_adapter(drill.house.data_dir, drill.house.database, "a")
    blob_path(drill.house.data_dir / ADAPTERS_FOLDER, adapter.sha256).unlink()
    assert drill.take().manifest.lost == (adapter.sha256,)


def test_an_adapter_of_an_older_backup_is_found_by_its_setting(drill: Drill) -> None:
    manifest = drill.take().manifest
    path = drill.root / "reader.safetensors"
    path.write_text("reader")
    file = ExtraFile("adapters/reader.safetensors", drill.folder.put_file(path))
    roots = {"data_dir": drill.root / "data", "models_dir": drill.root / "models"}
    named = put_back(drill.folder, replace(manifest, files=(file,)), **roots)
    assert Path(named["CIMIENTO_MODELS__ADAPTER"]).read_text() == "reader"
    away = replace(manifest, files=(replace(file, path="models/../../away"),))
    with pytest.raises(BackupDamagedError, match="away"):
        put_back(drill.folder, away, **roots)
