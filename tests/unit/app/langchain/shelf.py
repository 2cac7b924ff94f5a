"""A vector store over a service under test, which does the work itself, here and now."""

from collections.abc import Sequence
from dataclasses import replace

from app.adding import Added
from app.langchain.vector_store import CimientoVectorStore
from core.access import Access
from retrieval.types import Mode
from tests.unit.app.house import House


def open_store(
    house: House, *, collection: str = "default", mode: Mode = Mode.DENSE
) -> CimientoVectorStore:
    """The vector store of a collection."""

    def finish(added: Sequence[Added]) -> Sequence[Added]:
        house.ingest()
        jobs = house.services.jobs
        done = [jobs.get(item.job.id, Access.to_everything()) for item in added if item.job]
        return [
            replace(item, job=job, error=job.error) for item, job in zip(added, done, strict=True)
        ]

    return CimientoVectorStore(house.services, see_through=finish, collection=collection, mode=mode)
