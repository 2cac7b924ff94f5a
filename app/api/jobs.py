"""Routes of jobs: how far each upload is, as it happens."""

import json
from functools import partial
from itertools import count
from typing import Annotated, Literal

from anyio.streams.memory import MemoryObjectSendStream
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from app.access import CallerAccess
from app.api.common import TheServices, TheWatch, find_page, problems
from app.api.fields import CollectionName
from app.api.schemas import JobOut, JobPage, JobRetry
from app.errors import problem_of
from app.job_watch import JobWatch
from app.streams import EventStreamResponse, ServerEvent, run_task
from core.errors import CimientoError
from core.ids import DocumentId, VersionId
from ingestion.attempts import Attempt
from ingestion.jobs import JobFilter

router = APIRouter(tags=["jobs"])

State = Literal["queued", "running", "searchable", "failed", "cancelled"]


class JobQuery(BaseModel):
    """What to list; unknown parameters are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: State | None = None
    collection: CollectionName | None = None
    document_id: str | None = Field(default=None, max_length=64)
    cursor: str | None = Field(default=None, max_length=64, description="Of the last page.")


@router.get("/v1/jobs", summary="List jobs", responses=problems(404))
def list_jobs(
    services: TheServices,
    access: CallerAccess,
    where: Annotated[JobQuery, Query()],
) -> JobPage:
    """Jobs of documents that the caller may see, the newest first. `failed` ones wait for you."""
    if where.collection is not None:
        services.collections.get(where.collection, access)
    document_id = DocumentId(where.document_id) if where.document_id else None
    found = partial(
        services.jobs.list,
        access,
        where=JobFilter(where.state, where.collection, document_id),
        cursor=where.cursor,
    )
    page, next_cursor = find_page(found)
    return JobPage(items=[JobOut.of(job) for job in page], next_cursor=next_cursor)


@router.get("/v1/jobs/{job_id}", summary="Show a job", responses=problems(404))
def get_job(job_id: str, services: TheServices, access: CallerAccess) -> JobOut:
    """One job."""
    return JobOut.of(services.jobs.get(VersionId(job_id), access))


@router.post("/v1/jobs/{job_id}/retry", summary="Retry a job", responses=problems(404, 409))
def retry_job(
    job_id: str, services: TheServices, access: CallerAccess, body: JobRetry | None = None
) -> JobOut:
    """Queue a failed or cancelled job anew, with the password where the file is encrypted."""
    password = body.password.get_secret_value() if body and body.password else None
    job = services.jobs.retry(VersionId(job_id), access, password=password)
    services.queue.enqueue(Attempt(job.id, job.attempt, turn=job.turn))
    return JobOut.of(job)


@router.delete("/v1/jobs/{job_id}", summary="Cancel a job", responses=problems(404, 409))
def cancel_job(job_id: str, services: TheServices, access: CallerAccess) -> JobOut:
    """End an open job. What was searchable before stays searchable."""
    return JobOut.of(services.jobs.cancel(VersionId(job_id), access))


@router.get(
    "/v1/jobs/{job_id}/events",
    summary="Follow a job",
    status_code=200,
    response_class=EventStreamResponse,
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "Events until the job ends."},
        **problems(404),
    },
)
def follow_job(
    job_id: str, services: TheServices, access: CallerAccess, watch: TheWatch
) -> EventStreamResponse:
    """Server-sent events: `progress` for every change, then one `done`; both hold the job.

    `error` with a problem ends it where the job disappears, because its document was deleted, and
    where the service shuts down (`shutting_down`): the job goes on, and can be followed again.
    """
    services.jobs.get(VersionId(job_id), access)
    follow = partial(_follow, watch, VersionId(job_id))
    return EventStreamResponse(lambda: run_task(follow))


async def _follow(
    watch: JobWatch, job_id: VersionId, send: MemoryObjectSendStream[ServerEvent]
) -> None:
    async with watch.follow(job_id) as follower:
        for number in count(1):
            try:
                job = await follower.next()
            except CimientoError as error:
                await send.send(ServerEvent("error", json.dumps(problem_of(error)), str(number)))
                return
            name = "progress" if job.is_open else "done"
            await send.send(ServerEvent(name, JobOut.of(job).model_dump_json(), str(number)))
            if not job.is_open:
                return
