"""How the service stands: work, workers, throughput, storage. Reads only; owners may see it."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import func, make_url, select
from sqlalchemy.orm import Session

from app.services import Services
from core.settings import Settings
from core.tables import JobRow, VersionRow, WorkerRow, now
from ingestion.attempts import OPEN_STATES

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """A worker process as its row has it. `num_jobs`: what it works on now."""

    id: str
    machine: str
    pid: int
    started_at: datetime
    beat_at: datetime
    num_jobs: int


@dataclass(frozen=True, slots=True)
class Throughput:
    """What became searchable in the last 24 hours, and what did not."""

    num_documents: int
    num_bytes: int
    num_chunks: int
    num_failed: int


@dataclass(frozen=True, slots=True)
class Storage:
    """Bytes by what they hold. `database`: with its indexes, and with the queue's tables."""

    documents: int
    index: int
    database: int
    free: int


@dataclass(frozen=True, slots=True)
class Operations:
    """The service at a moment. `queued_since`: since when the oldest job waits."""

    jobs: Mapping[str, int]
    queued_since: datetime | None
    workers: tuple[WorkerSeen, ...]
    last_day: Throughput
    storage: Storage


def look(services: Services) -> Operations:
    """Count it all."""
    with services.database.read_scope() as session:
        by_state = select(JobRow.state, func.count()).group_by(JobRow.state)
        jobs = dict(session.execute(by_state).all())
        queued_since = session.scalar(
            select(func.min(JobRow.created_at)).where(JobRow.state == "queued")
        )
        return Operations(
            # those that wait or run are told of, none of them included
            jobs={**dict.fromkeys(OPEN_STATES, 0), **jobs},
            queued_since=queued_since,
            workers=_workers(session),
            last_day=_last_day(session),
            storage=_storage(services, session),
        )


def _workers(session: Session) -> tuple[WorkerSeen, ...]:
    running = (
        select(JobRow.worker_id, func.count())
        .where(JobRow.state == "running")
        .group_by(JobRow.worker_id)
    )
    busy = dict(session.execute(running).all())
    ingesting = select(WorkerRow).where(WorkerRow.role == "ingest")
    rows = session.scalars(ingesting.order_by(WorkerRow.started_at))
    return tuple(
        WorkerSeen(row.id, row.machine, row.pid, row.started_at, row.beat_at, busy.get(row.id, 0))
        for row in rows
    )


def _last_day(session: Session) -> Throughput:
    since = now() - _DAY
    published = select(
        func.count(), func.sum(VersionRow.num_bytes), func.sum(VersionRow.num_chunks)
    ).where(VersionRow.published_at >= since)
    num_documents, num_bytes, num_chunks = session.execute(published).one()
    failed = select(func.count()).where(JobRow.state == "failed", JobRow.finished_at >= since)
    num_failed = session.scalar(failed) or 0
    return Throughput(num_documents, int(num_bytes or 0), int(num_chunks or 0), num_failed)


def _storage(services: Services, session: Session) -> Storage:
    settings = services.settings
    # the same bytes under several names are kept once
    kept = select(VersionRow.sha256, VersionRow.num_bytes).distinct().subquery()
    index = (services.store.segments.root, settings.data_dir / "lexical")
    return Storage(
        documents=int(session.scalar(select(func.sum(kept.c.num_bytes))) or 0),
        index=sum(_bytes_of_files(folder, "**/*") for folder in index),
        database=_bytes_of_database(settings, session),
        free=shutil.disk_usage(settings.data_dir).free,
    )


def _bytes_of_database(settings: Settings, session: Session) -> int:
    if session.get_bind().dialect.name == "postgresql":
        size = select(func.pg_database_size(func.current_database()))
        return int(session.scalars(size).one())
    # with the logs beside each
    files = {
        Path(make_url(url).database or "") for url in (settings.database_url, settings.jobs_url)
    }
    return sum(_bytes_of_files(file.parent, f"{file.name}*") for file in files)


def _bytes_of_files(folder: Path, pattern: str) -> int:
    total = 0
    for path in folder.glob(pattern):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            # merged away meanwhile
            continue
    return total
