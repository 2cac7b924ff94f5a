"""The truth of a data folder whose processes are killed: its jobs, its versions, what is amiss.

Knows no process and no client.
"""

import time
from collections.abc import Callable
from typing import Final

from sqlalchemy import select

import migrations
from app.wiring import build_checks, build_database, build_store
from core.access import Access
from core.settings import Settings
from core.tables import CollectionRow, DocumentRow, VersionRow
from core.verify import Premises, verify
from ingestion.attempts import Attempts
from ingestion.jobs import Job, JobFilter, Jobs
from ingestion.workflow import IngestionQueue

_MAX_OPEN: Final = 12
_DONE_WITHIN_S: Final = 900.0


class Truth:
    """Rows, files and queue, migrated when this is made."""

    def __init__(self, settings: Settings) -> None:
        self.database = build_database(settings)
        migrations.upgrade(self.database)
        self.store = build_store(settings, self.database)
        self.queue = IngestionQueue(settings.jobs_url)
        self._data_dir = settings.data_dir
        self._jobs = Jobs(self.store)
        self._attempts = Attempts(self.store)

    def is_behind(self) -> bool:
        """Whether so many jobs are open that whoever uploads had better wait."""
        return len(self._attempts.list_open()) > _MAX_OPEN

    def wait_for_jobs(self) -> None:
        """Wait until no document is being worked on."""
        deadline = time.monotonic() + _DONE_WITHIN_S
        while num_open := len(self._attempts.list_open()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{num_open} jobs never ended")
            time.sleep(0.2)

    def failed_jobs(self) -> list[Job]:
        """Those that were given up."""
        where = JobFilter(state="failed")
        return self._jobs.list(Access.to_everything(), where=where, limit=1000)

    def finish_jobs(self, retry: Callable[[Job], None]) -> None:
        """Wait until every document is done.

        Those at whose same point several kills came are given up until somebody retries.
        """
        self.wait_for_jobs()
        while failed := self.failed_jobs():
            for job in failed:
                retry(job)
            self.wait_for_jobs()

    def find_id(self, name: str, collection: str = "default") -> str:
        """The document of that name, which is there."""
        query = (
            select(DocumentRow.id)
            .join(CollectionRow, CollectionRow.id == DocumentRow.collection_id)
            .where(CollectionRow.name == collection, DocumentRow.name == name)
        )
        with self.database.read_scope() as session:
            return session.scalars(query).one()

    def newest(self, collection: str = "default") -> dict[str, str]:
        """The hash of the newest version, by the name of its document."""
        query = (
            select(DocumentRow.name, VersionRow.sha256)
            .join(VersionRow, VersionRow.document_id == DocumentRow.id)
            .join(CollectionRow, CollectionRow.id == DocumentRow.collection_id)
            .where(CollectionRow.name == collection)
            .order_by(VersionRow.number)
        )
        with self.database.read_scope() as session:
            return {row.name: row.sha256 for row in session.execute(query)}

    def verify(self, *, alone: bool) -> list[str]:
        """What `cimiento verify` finds, a line each."""
        checks = build_checks(
            self.store, self.queue, self._data_dir, alone=alone, receiving=not alone
        )
        premises = Premises(self.database, self.store.blobs, self.store.segments, alone)
        found = verify(premises, repair=False, checks=checks).findings
        return [f"verify: {each.kind} {each.subject}: {each.detail}" for each in found]
