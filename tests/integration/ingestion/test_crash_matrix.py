"""kill -9 at random moments, in short: nothing is lost, doubled, left behind or found again.

`benchmarks/crash_matrix.py` is the long form, over the real commands, the real model and HTTP.
"""

import random
import signal
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from benchmarks.crash_documents import find_originals
from benchmarks.crash_ledger import Ledger, Promise, new_marker
from core.ids import DocumentId
from core.tables import DocumentRow, VersionRow
from core.verify import Premises, verify
from ingestion.attempts import Attempt
from ingestion.jobs import JobFilter
from ingestion.leftovers import check_incoming, check_staging, check_workflows
from ingestion.workflow import IngestionQueue
from tests.integration.ingestion.running import worker_process
from tests.integration.waiting import until
from tests.unit.ingestion.house import EVERYTHING, NO_ORPHANS, House, attempt_of
from tests.unit.ingestion.test_deletion import files_that_say
from tests.unit.ingestion.test_versions import retriever_of

NUM_KILLS = 10
SEED = 11


class Matrix:
    """A data folder, what it was asked to keep, and what it must not show again."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.queue = IngestionQueue(house.jobs_url)
        self.rng = random.Random(SEED)  # noqa: S311
        originals = find_originals([], 8, seed=SEED)
        self.ledger = Ledger({each.name: Promise(each) for each in originals})
        self.num_uploads = 0

    def act(self) -> None:
        """Upload, replace or delete one document."""
        name, promise = self.rng.choice(list(self.ledger.promises.items()))
        if promise.sha256 is not None and self.rng.random() < 0.3:
            with self.house.database.read_scope() as session:
                query = select(DocumentRow.id).where(DocumentRow.name == name)
                document_id = session.scalars(query).one()
            self.house.documents.delete(DocumentId(document_id), EVERYTHING)
            self.ledger.acknowledge(name, None, None)
            return
        self.num_uploads += 1
        marker = new_marker(name, self.num_uploads, SEED)
        accepted = self.house.upload(name, promise.original.version(marker))
        self.queue.enqueue(attempt_of(accepted))
        self.ledger.acknowledge(name, accepted.sha256, marker)

    def look(self, *, alone: bool = False) -> None:
        """What was promised is there, what was deleted is not, and nothing is left beside it."""
        query = (
            select(DocumentRow.name, VersionRow.sha256)
            .join(VersionRow, VersionRow.document_id == DocumentRow.id)
            .order_by(VersionRow.number)
        )
        with self.house.database.read_scope() as session:
            self.ledger.settle({row.name: row.sha256 for row in session.execute(query)})
        assert self.ledger.faults == []
        text = self.house.searchable_text()
        assert [marker for marker in self.ledger.dead if marker in text] == []
        retriever = retriever_of(self.house)
        for marker in self.ledger.dead[-5:]:
            found = retriever.retrieve(marker, access=EVERYTHING, top_k=20)
            assert [each.document_name for each in found if marker in each.text] == []
        assert self.findings(alone=alone) == []

    def findings(self, *, alone: bool) -> list[str]:
        """What verification says."""
        house = self.house
        premises = Premises(house.database, house.store.blobs, house.store.segments, alone=alone)
        looked = [
            check_staging(house.store, alone=alone, repair=False),
            check_incoming(house.store.blobs, alone=True, repair=False),
            check_workflows(house.attempts, self.queue, alone=alone, repair=False),
        ]
        found = [*verify(premises, repair=False).findings]
        found += [finding for checked in looked for finding in checked.findings]
        return [f"{finding.kind} {finding.subject}: {finding.detail}" for finding in found]

    def finish(self) -> None:
        """Wait for the work; what several kills hit at the same point is retried, as people do."""
        until(lambda: not self.house.attempts.list_open())
        for job in self.house.jobs.list(EVERYTHING, where=JobFilter(state="failed")):
            again = self.house.jobs.retry(job.id, EVERYTHING)
            self.queue.enqueue(Attempt(again.id, again.attempt))
        until(lambda: not self.house.attempts.list_open())
        until(lambda: not self.house.store.staging.list())


@pytest.fixture
def matrix(house: House) -> Iterator[Matrix]:
    """An empty data folder."""
    matrix = Matrix(house)
    yield matrix
    matrix.queue.close()


def test_ten_kills_lose_double_leave_and_show_nothing(matrix: Matrix) -> None:
    house, rng = matrix.house, matrix.rng
    for _ in range(NUM_KILLS):
        with worker_process(house, batch_s=0.01):
            moment = time.monotonic() + rng.uniform(0.0, 2.0)
            while time.monotonic() < moment:
                if len(house.attempts.list_open()) < 6:
                    matrix.act()
                time.sleep(0.02)
        matrix.look()
    with worker_process(house, batch_s=0.0) as process:
        matrix.finish()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    matrix.look(alone=True)
    assert matrix.queue.list_workflows(ended_only=False) == {}
    text = house.searchable_text()
    alive = [each.marker for each in matrix.ledger.promises.values() if each.marker]
    assert [marker for marker in alive if text.count(marker) != 1] == []
    assert [marker for marker in matrix.ledger.replaced if marker in text] == []
    assert house.orphans() == NO_ORPHANS
    house.database.compact()
    gone = [*matrix.ledger.dead, *matrix.ledger.replaced]
    left = {marker: files_that_say(house.data_dir, marker) for marker in gone}
    assert [marker for marker, files in left.items() if files] == []
