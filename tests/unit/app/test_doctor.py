"""`cimiento doctor` finds each thing that can be wrong, says what mends it, and tells no secret."""

import json
import shutil
import socket
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import delete, text, update
from typer.testing import CliRunner

from app.cli import main
from app.doctor import Patient, Seen, examine
from app.wiring import build_lexical
from core.blob_settings import BlobSettings
from core.blobs import FolderBlobStore
from core.database import Database
from core.errors import BlobStoreRefusedError, BlobStoreUnavailableError
from core.models import ModelStore
from core.segments import list_segments
from core.server_settings import ServerSettings
from core.settings import GenerationSettings, ModelSettings, Settings
from core.tables import SegmentRow, VersionRow, WorkerRow, now
from core.tuned_embedding import TUNED, TunedEmbedding
from tests.databases import environment_of
from tests.ports import free_port
from tests.unit.app.house import House


def look(house: House, **changes: Any) -> dict[str, Seen]:
    """What the doctor sees, by part."""
    settings = house.services.settings.model_copy(update=changes)
    database = house.services.database
    lexical = build_lexical(settings.data_dir, database)
    lexical.current()
    patient = Patient(settings, database, ModelStore(settings.models_dir), lexical)
    return {each.part: each for each in examine(patient)}


def states(seen: dict[str, Seen]) -> dict[str, str]:
    return {part: each.state for part, each in seen.items()}


def test_what_is_well_is_called_so(pool: House) -> None:
    join_a_worker(pool)
    seen = states(look(pool, server=ServerSettings(port=free_port())))
    for part in ("data folder", "database", "schema", "workers", "jobs", "index", "lexical index"):
        assert seen[part] == "ok", part
    assert "failed jobs" not in seen


def join_a_worker(house: House, *, beat_ago: timedelta = timedelta()) -> None:
    with house.services.database.session_scope() as session:
        row = WorkerRow(id="wrk_1", machine="m", pid=1, beat_at=now() - beat_ago)
        session.add(row)


class _Store(FolderBlobStore):
    """A store elsewhere, as it may be."""

    def __init__(self, root: Path, answer: object) -> None:
        super().__init__(root)
        self._answer = answer

    def keeps_deleted(self) -> bool:
        """What it says."""
        if isinstance(self._answer, Exception):
            raise self._answer
        return bool(self._answer)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (False, {"blob store": "ok"}),
        (True, {"blob store": "ok", "deleted blobs": "warning"}),
        (BlobStoreUnavailableError("no connection"), {"blob store": "broken"}),
        (BlobStoreRefusedError("AccessDenied"), {"blob store": "broken"}),
    ],
)
def test_a_blob_store_elsewhere_is_tried(
    house: House, tmp_path: Path, answer: object, expected: dict[str, str]
) -> None:
    settings = house.services.settings.model_copy(
        update={"blobs": BlobSettings(url="s3://bucket/house")}
    )
    models = ModelStore(settings.models_dir)
    patient = Patient(settings, None, models, blobs=_Store(tmp_path / "elsewhere", answer))
    found = states({each.part: each for each in examine(patient)})
    assert {part: found[part] for part in found if "blob" in part} == expected


def test_documents_that_nobody_works_on_are_broken(house: House) -> None:
    house.upload("a.txt", "words")
    seen = look(house)["workers"]
    assert (seen.state, seen.detail) == ("broken", "none lives, 1 documents wait")
    assert "cimiento worker ingest" in seen.remedy


def test_work_of_a_silent_worker_is_told(house: House) -> None:
    join_a_worker(house, beat_ago=timedelta(hours=1))
    house.upload("a.txt", "words")
    assert look(house)["workers"].state == "broken"


def test_failed_jobs_are_told_with_the_command(house: House) -> None:
    house.upload("a.pdf", b"%PDF-1.7\nbroken")
    house.ingest()
    seen = look(house)["failed jobs"]
    assert (seen.state, seen.detail) == ("warning", "1 documents failed")


def test_a_damaged_segment_is_broken_and_others_are_still_looked_at(pool: House) -> None:
    root = pool.services.store.segments.root
    (name,) = list_segments(root)
    (root / name / "vectors.faiss").write_bytes(b"rotten")
    seen = look(pool)
    assert seen["index"].state == "broken"
    assert name in seen["index"].detail
    assert seen["lexical index"].state == "ok"


def test_chunks_that_the_index_lacks_are_broken(pool: House) -> None:
    with pool.services.database.session_scope() as session:
        session.execute(delete(SegmentRow))
    assert look(pool)["index"].state == "broken"


def test_a_lexical_index_that_is_behind_is_told(pool: House) -> None:
    look(pool)
    shutil.rmtree(pool.services.settings.data_dir / "lexical")
    with pool.services.database.session_scope() as session:
        session.execute(update(VersionRow).values(language="en"))
    settings = pool.services.settings
    lexical = build_lexical(settings.data_dir, pool.services.database)
    models = ModelStore(settings.models_dir)
    patient = Patient(settings, pool.services.database, models, lexical)
    assert {each.part: each.state for each in examine(patient)}["lexical index"] == "warning"


def test_a_schema_that_is_behind_is_broken_and_hides_nothing(house: House) -> None:
    with house.services.database.session_scope() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    seen = look(house)
    assert seen["schema"].state == "broken"
    assert "cimiento db upgrade" in seen["schema"].remedy
    assert "open files" in seen


def test_models_that_are_not_there_are_broken(house: House) -> None:
    seen = look(house)["model multilingual-e5-small"]
    assert (seen.state, seen.remedy) == (
        "broken",
        "'cimiento models pull multilingual-e5-small'",
    )


class DiskUsage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.mark.parametrize(("free", "state"), [(1 << 20, "broken"), (1 << 30, "warning")])
def test_a_full_disk_is_told(
    house: House, monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: DiskUsage(1 << 40, 0, free))
    assert look(house)["room"].state == state


def test_a_port_that_another_program_holds_is_broken(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        other.settimeout(5)
        seen = look(house, server=ServerSettings(port=port))[f"port {port}"]
    assert seen.state == "broken"


def test_a_generation_worker_that_is_not_there_is_broken(house: House) -> None:
    port = free_port()
    generation = GenerationSettings(url=f"http://me:hunter2@127.0.0.1:{port}/v1")
    seen = look(house, generation=generation)
    assert seen[f"generation worker 127.0.0.1:{port}"].state == "broken"
    assert "hunter2" not in str(seen)


def test_each_of_several_generation_workers_is_looked_at(house: House) -> None:
    missing = free_port()
    with socket.create_server(("127.0.0.1", 0)) as other:
        there = other.getsockname()[1]
        urls = f"http://127.0.0.1:{there},http://127.0.0.1:{missing}"
        seen = states(look(house, generation=GenerationSettings(url=urls)))
    assert seen[f"generation worker 127.0.0.1:{there}"] == "ok"
    assert seen[f"generation worker 127.0.0.1:{missing}"] == "broken"


def test_a_process_that_only_answers_works_on_no_documents(house: House) -> None:
    with house.services.database.session_scope() as session:
        session.add(WorkerRow(id="wrk_2", role="serve", machine="m", pid=1))
    house.upload("a.txt", "words")
    assert look(house)["workers"].state == "broken"


def test_an_adapter_may_be_one_that_comes_with_the_service(house: House) -> None:
    assert "adapter" not in look(house, models=ModelSettings(adapter=Path("reader")))
    missing = look(house, models=ModelSettings(adapter=Path("missing")))
    assert missing["adapter"].state == "broken"


def test_a_tuned_embedding_model_is_well(house: House, tmp_path: Path) -> None:
    tuned = TunedEmbedding("multilingual-e5-small", 384, "", "", 0.1, 0.05, 0.2, is_forced=False)
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / TUNED).write_text(json.dumps(asdict(tuned)))
    models = ModelSettings(dir=tmp_path, embedding="ours")
    assert look(house, models=models)["model ours"].state == "ok"


def test_a_restore_that_did_not_end_is_broken(house: House) -> None:
    (house.services.settings.data_dir / "restoring").write_text("bak_1")
    assert look(house)["restore"].state == "broken"


def test_a_database_that_cannot_be_reached_tells_no_password(tmp_path: Path) -> None:
    database = Database(f"postgresql+psycopg://me:hunter2@127.0.0.1:{free_port()}/cimiento")
    settings = Settings(data_dir=tmp_path)
    seen = list(examine(Patient(settings, database, ModelStore(tmp_path / "models"))))
    database.close()
    (found,) = (each for each in seen if each.part == "database")
    assert found.state == "broken"
    assert "hunter2" not in str(seen)


def test_the_command_makes_nothing_where_nothing_is_and_ends_with_1(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    environment = {"CIMIENTO_DATA_DIR": str(folder)}
    result = CliRunner().invoke(main, ["doctor", "--json"], env=environment)
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert not report["ok"]
    assert {"part", "state", "detail", "remedy"} == report["parts"][0].keys()
    assert not folder.exists()


def test_the_command_tells_people_what_to_do(pool: House) -> None:
    environment = environment_of(pool.services.settings.data_dir)
    result = CliRunner().invoke(main, ["doctor"], env=environment)
    assert result.exit_code == 1
    assert "-> 'cimiento models pull multilingual-e5-small'" in result.stdout
    assert "to mend" in result.stdout
