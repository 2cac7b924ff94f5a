"""A disk whose every write is slow: who reads waits for nothing, who writes loses nothing."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.verify import Premises, verify
from ingestion.workflow import IngestionQueue
from tests.integration.ingestion.running import states, worker_process
from tests.integration.waiting import until
from tests.slow_disk import slow_disk
from tests.unit.app.house import POOL
from tests.unit.app.house import House as Service
from tests.unit.ingestion.house import EVERYTHING, NO_ORPHANS, House, attempt_of

SEARCH = {"query": "When does the swimming pool open?"}


@pytest.mark.parametrize("stands_still_at", ["fsync", "commit"])
def test_while_the_disk_stands_still_searches_go_on_and_an_upload_waits_for_it(
    tmp_path: Path, stands_still_at: str
) -> None:
    house = Service(tmp_path / "data")
    house.add("pool.txt", POOL)
    stands, moves = threading.Event(), threading.Event()

    def wait(what: str) -> None:
        if what == stands_still_at:
            stands.set()
            assert moves.wait(120)

    with ThreadPoolExecutor(1) as aside:
        try:
            with slow_disk(wait):
                uploading = aside.submit(house.upload, "bus.txt", "The bus leaves at ten.")
                assert stands.wait(60)
                for _ in range(3):
                    found = house.client.post("/v1/search", json=SEARCH)
                    assert found.json()["passages"][0]["document_name"] == "pool.txt"
                assert house.stranger.get("/health/live").status_code == 200
                assert not uploading.done()
                moves.set()
                assert uploading.result().status_code == 202
        finally:
            moves.set()
    assert house.client.get("/v1/documents").json()["items"][0]["name"] == "bus.txt"
    house.close()


def test_a_worker_on_a_slow_disk_makes_everything_searchable_once(tmp_path: Path) -> None:
    house = House(tmp_path / "data")
    queue = IngestionQueue(house.jobs_url)
    accepted = [
        house.upload(f"{number}.md", f"# River {number}\nIt rises in the hills.".encode())
        for number in range(3)
    ]
    for each in accepted:
        queue.enqueue(attempt_of(each))
    with worker_process(house, manner="slow-disk"):
        until(lambda: bool(house.workers().find_living()))
        (living,) = house.workers().find_living()
        until(lambda: not house.attempts.list_open(), within_s=240.0)
        # who is slow is not dead
        assert house.workers().find_living() == {living}
    assert states(house) == {"searchable": 3}
    assert [job.attempt for job in house.jobs.list(EVERYTHING)] == [1, 1, 1]
    assert all(f"# River {number}" in house.searchable_text() for number in range(3))
    premises = Premises(house.database, house.store.blobs, house.store.segments, alone=True)
    assert verify(premises, repair=False).findings == ()
    with house.worker():
        until(lambda: not house.store.staging.list())
    assert house.orphans() == NO_ORPHANS
    queue.close()
    house.close()
