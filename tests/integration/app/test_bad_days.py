"""Bad days of the database: its server is gone, its disk is full. Nothing is lost, all is told."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import DBAPIError

from core.answer_tables import AnswerRow
from core.database import Database, find_busy
from core.verify import Premises, verify
from ingestion.attempts import job_error
from ingestion.workflow import IngestionQueue
from tests.databases import server_stopped
from tests.fakes_generation import FakeGenerator
from tests.integration.ingestion.running import states, worker_process
from tests.integration.waiting import until
from tests.unit.app.house import POOL
from tests.unit.app.house import House as Service
from tests.unit.app.sse import read_events
from tests.unit.ingestion.house import EVERYTHING, NO_ORPHANS, House, attempt_of

QUESTION = {"question": "When does the swimming pool open?", "min_confidence": 0}


@contextmanager
def full_disk(database: Database) -> Iterator[None]:
    """The disk has no room for another page of SQLite's file inside the block."""

    def hold(connection: Any, *_: object) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")

    def let_go(connection: Any, *_: object) -> None:
        connection.execute("PRAGMA max_page_count = 1073741823")

    event.listen(database.engine, "checkout", hold)
    try:
        yield
    finally:
        event.remove(database.engine, "checkout", hold)
        event.listen(database.engine, "checkout", let_go)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of a megabyte at this folder, for as long as the block."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"a disk of its own needs the right to mount: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Leave no room at all; returns the file that takes it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return filler


def test_while_the_database_is_gone_the_service_says_so_and_goes_on_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_DATABASE", "postgresql")
    house = Service(tmp_path / "data")
    house.add("pool.txt", POOL)
    with server_stopped():
        for method, path, body in (
            ("POST", "/v1/search", {"query": "pool"}),
            ("POST", "/v1/answer", QUESTION),
            ("POST", "/v1/collections", {"name": "north"}),
            ("GET", "/v1/documents", None),
        ):
            response = house.client.request(method, path, json=body)
            assert (response.status_code, response.json()["code"]) == (503, "database_busy"), path
            assert int(response.headers["retry-after"]) > 0
        refused = house.upload("bus.txt", "The bus leaves at ten.")
        assert (refused.status_code, refused.json()["code"]) == (503, "database_busy")
        assert house.stranger.get("/health/live").status_code == 200
        assert house.stranger.get("/health/ready").status_code == 503
    assert house.client.post("/v1/answer", json=QUESTION).json()["status"] == "answered"
    assert house.upload("bus.txt", "The bus leaves at ten.").status_code == 202
    house.close()


def test_a_worker_goes_on_after_a_restart_of_the_database_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_DATABASE", "postgresql")
    house = House(tmp_path / "data")
    queue = IngestionQueue(house.jobs_url)
    accepted = [
        house.upload(f"{number}.md", f"# River {number}\nIt rises in the hills. ".encode() * 100)
        for number in range(6)
    ]
    for each in accepted[:3]:
        queue.enqueue(attempt_of(each))
    with worker_process(house, batch_s=0.2):
        # in the middle of one document, others before and behind it
        until(lambda: states(house)["running"] > 0)
        with server_stopped():
            with pytest.raises(DBAPIError) as told:
                queue.enqueue(attempt_of(accepted[3]))
            assert find_busy(told.value) is not None
        queue.enqueue(attempt_of(accepted[4]))
        # the others were committed and never queued: the worker finds them
        until(lambda: states(house) == {"searchable": len(accepted)}, within_s=240.0)
    assert all(f"# River {number}" in house.searchable_text() for number in range(6))
    assert {job.attempt for job in house.jobs.list(EVERYTHING)} <= {1, 2, 3}
    queue.close()
    house.close()


@pytest.mark.sqlite
def test_a_full_disk_refuses_for_now_and_answers_what_needs_no_room(tmp_path: Path) -> None:
    house = Service(tmp_path / "data")
    house.add("pool.txt", POOL)
    with full_disk(house.services.database):
        codes = set()
        for number in range(200):
            body = {"name": f"n{number}", "description": "n" * 900}
            codes.add(house.client.post("/v1/collections", json=body).status_code)
        assert codes <= {201, 503}
        assert 503 in codes
        assert house.client.post("/v1/search", json={"query": "pool"}).json()["passages"]
    assert house.client.post("/v1/collections", json={"name": "south"}).status_code == 201
    house.close()


@pytest.mark.sqlite
def test_a_disk_that_fills_while_publishing_loses_nothing(tmp_path: Path) -> None:
    house = House(tmp_path / "data")
    text = "".join(f"# Part {number}\nThe river rises in the hills.\n" for number in range(400))
    accepted = house.upload("long.md", text.encode())
    stages = house.stages()
    with full_disk(house.database), pytest.raises(Exception, match="full") as told:
        house.ingest(accepted, stages)
    assert find_busy(told.value) is not None
    assert house.searchable_text() == ""
    house.ingest(accepted, stages)
    assert house.jobs.get(accepted.job_id, EVERYTHING).state == "searchable"
    assert house.orphans() == NO_ORPHANS
    premises = Premises(house.database, house.store.blobs, house.store.segments, alone=True)
    assert verify(premises, repair=False).findings == ()
    house.close()


@pytest.mark.parametrize("num_bytes", [100, 300_000])
def test_a_disk_without_room_for_a_document_keeps_nothing_of_it(
    tmp_path: Path, num_bytes: int
) -> None:
    data_dir = tmp_path / "data"
    with small_disk(data_dir / "blobs") as disk:
        house = Service(data_dir)
        house.add("pool.txt", POOL)
        filler = fill(disk)
        response = house.upload("more.txt", "x" * num_bytes)
        assert (response.status_code, response.json()["code"]) == (507, "storage_full")
        assert house.services.blobs.list_incoming() == []
        assert house.client.post("/v1/search", json={"query": "pool"}).json()["passages"]
        filler.unlink()
        assert house.upload("more.txt", "x" * num_bytes).status_code == 202
        house.close()


def test_a_disk_that_fills_while_the_index_is_written_is_waited_for(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with small_disk(data_dir / "segments") as disk:
        house = House(data_dir)
        accepted = house.upload("river.md", b"# River\nIt rises in the hills.\n")
        stages = house.stages()
        filler = fill(disk)
        with pytest.raises(OSError, match="No space left") as told:
            house.ingest(accepted, stages)
        assert job_error(told.value).code == "storage_full"
        assert house.searchable_text() == ""
        filler.unlink()
        house.ingest(accepted, stages)
        assert "hills" in house.searchable_text()
        assert house.orphans() == NO_ORPHANS
        house.close()


@pytest.mark.sqlite
def test_an_answer_that_finds_no_room_to_be_stored_ends_in_one_error(tmp_path: Path) -> None:
    generator = FakeGenerator()
    house = Service(tmp_path / "data", generator=generator)
    house.add("pool.txt", POOL)
    # longer than what is left on any page that has been begun
    question = {"question": f"{QUESTION['question']} {'Please. ' * 400}", "min_confidence": 0}
    with ExitStack() as full:

        def run_out() -> bool:
            generator.may_go_on = lambda: True
            full.enter_context(full_disk(house.services.database))
            return True

        generator.may_go_on = run_out
        events = read_events(house.client.post("/v1/answer", json=question | {"stream": True}).text)
    ends = [each for each in events if each.name in ("done", "error", "cancelled")]
    assert [(each.name, each.data["code"]) for each in ends] == [("error", "database_busy")]
    assert events[-1] == ends[0]
    with house.services.database.read_scope() as session:
        assert session.scalars(select(AnswerRow)).all() == []
    assert house.client.post("/v1/answer", json=QUESTION).json()["status"] == "answered"
    house.close()
