"""Route of how the service stands, for its owners."""

from datetime import datetime
from typing import Self

from fastapi import APIRouter
from pydantic import Field

from app.api.common import TheLive, TheServices, problems
from app.api.fields import Reply
from app.operations import Operations, Storage, Throughput, WorkerSeen, look

router = APIRouter(tags=["service"])


class WorkerOut(Reply):
    """A process that makes documents searchable."""

    id: str
    machine: str
    pid: int
    started_at: datetime
    beat_at: datetime = Field(description="When it last said that it lives.")
    num_jobs: int

    @classmethod
    def of(cls, worker: WorkerSeen) -> Self:
        """From what was seen."""
        return cls(
            id=worker.id,
            machine=worker.machine,
            pid=worker.pid,
            started_at=worker.started_at,
            beat_at=worker.beat_at,
            num_jobs=worker.num_jobs,
        )


class ThroughputOut(Reply):
    """What became searchable in the last 24 hours, and how many jobs failed."""

    documents: int
    bytes: int
    chunks: int
    failed: int

    @classmethod
    def of(cls, done: Throughput) -> Self:
        """From what was counted."""
        return cls(
            documents=done.num_documents,
            bytes=done.num_bytes,
            chunks=done.num_chunks,
            failed=done.num_failed,
        )


class StorageOut(Reply):
    """Bytes by what they hold."""

    documents: int
    index: int
    database: int
    free: int

    @classmethod
    def of(cls, storage: Storage) -> Self:
        """From what was measured."""
        return cls(
            documents=storage.documents,
            index=storage.index,
            database=storage.database,
            free=storage.free,
        )


class ModelsOut(Reply):
    """The models in use, and where the one that answers runs."""

    answers: str
    runs_on: str
    embeddings: str


class OperationsOut(Reply):
    """The service at a moment."""

    jobs: dict[str, int] = Field(description="Jobs by state.", examples=[{"queued": 0}])
    queued_since: datetime | None = Field(description="Since when the oldest job waits.")
    workers: list[WorkerOut]
    last_day: ThroughputOut
    storage: StorageOut
    models: ModelsOut
    answering: int = Field(description="Answers that this process writes now.")

    @classmethod
    def of(cls, seen: Operations, models: ModelsOut, *, answering: int) -> Self:
        """From the room's own data."""
        return cls(
            jobs=dict(seen.jobs),
            queued_since=seen.queued_since,
            workers=[WorkerOut.of(each) for each in seen.workers],
            last_day=ThroughputOut.of(seen.last_day),
            storage=StorageOut.of(seen.storage),
            models=models,
            answering=answering,
        )


@router.get("/v1/operations", summary="How does the service stand?", responses=problems())
def get_operations(services: TheServices, live: TheLive) -> OperationsOut:
    """Jobs and workers, what was done in the last day, storage, models. For owners."""
    generator = services.generator
    models = ModelsOut(
        answers=generator.model, runs_on=generator.runs_on, embeddings=services.embedder.model
    )
    return OperationsOut.of(look(services), models, answering=live.num_running)
