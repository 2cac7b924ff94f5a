"""`cimiento jobs`: what is being made searchable, and what failed. Needs no model."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.context import AsJson, errors_to_exit, load_cli_settings, print_json

if TYPE_CHECKING:
    from core.ids import VersionId
    from ingestion.jobs import Job, Jobs
    from ingestion.workflow import IngestionQueue

State = Literal["queued", "running", "searchable", "failed", "cancelled"]
JobIds = Annotated[list[str], typer.Argument(help="Ids of jobs.")]

jobs_app = typer.Typer(name="jobs", help="Work on documents.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class _Desk:
    jobs: "Jobs"
    queue: "IngestionQueue"


@jobs_app.command("list")
def list_jobs(
    state: Annotated[State | None, typer.Option(help="Only jobs in this state.")] = None,
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", help="Only of this collection.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Jobs, the newest first; `--state failed` shows what waits for a person."""
    from core.access import Access
    from ingestion.jobs import JobFilter

    with _open() as desk:
        where = JobFilter(state=state, collection=collection)
        found = desk.jobs.list(Access.to_everything(), where=where, limit=limit)
    if as_json:
        print_json([_fields(job) for job in found])
        return
    for job in found:
        typer.echo(f"{job.id}  {job.state:10}  {_told(job)}")
    if not found:
        typer.echo("there are no such jobs", err=True)


@jobs_app.command("show")
def show(
    job_id: Annotated[str, typer.Argument(help="Id of a job.")], as_json: AsJson = False
) -> None:
    """One job: how far it is, how fast, and why it failed."""
    from core.access import Access
    from core.ids import VersionId

    with _open() as desk:
        job = desk.jobs.get(VersionId(job_id), Access.to_everything())
    fields = _fields(job)
    if as_json:
        print_json(fields)
        return
    for name, value in fields.items():
        if value is not None:
            typer.echo(f"{name:14} {value}")


@jobs_app.command("retry")
def retry(
    job_ids: Annotated[list[str] | None, typer.Argument(help="Ids of jobs.")] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Every job whose failure a retry can help.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Queue failed or cancelled jobs anew."""
    from core.access import Access
    from core.ids import VersionId
    from ingestion.attempts import Attempt

    if bool(job_ids) == failed:
        raise typer.BadParameter("name jobs, or say --failed")
    with _open() as desk:
        wanted = [VersionId(name) for name in job_ids or ()] or list(_find_retryable(desk.jobs))
        again = [desk.jobs.retry(job_id, Access.to_everything()) for job_id in wanted]
        for job in again:
            desk.queue.enqueue(Attempt(job.id, job.attempt, turn=job.turn))
    _report(again, as_json)


@jobs_app.command("cancel")
def cancel(job_ids: JobIds, as_json: AsJson = False) -> None:
    """End open jobs; what was searchable before stays searchable."""
    from core.access import Access
    from core.ids import VersionId

    with _open() as desk:
        ended = [desk.jobs.cancel(VersionId(name), Access.to_everything()) for name in job_ids]
    _report(ended, as_json)


@contextmanager
def _open() -> Iterator[_Desk]:
    settings = load_cli_settings()
    # Late: DBOS takes a second to import, and `cimiento --help` must not wait.
    import migrations
    from app.wiring import build_database, build_store
    from ingestion.jobs import Jobs
    from ingestion.workflow import IngestionQueue

    database = build_database(settings)
    try:
        with errors_to_exit():
            migrations.check(database)
            queue = IngestionQueue(settings.jobs_url)
            try:
                yield _Desk(Jobs(build_store(settings, database)), queue)
            finally:
                queue.close()
    finally:
        database.close()


def _find_retryable(jobs: "Jobs") -> "Iterator[VersionId]":
    from core.access import Access
    from ingestion.jobs import JobFilter

    cursor = None
    while page := jobs.list(Access.to_everything(), where=JobFilter(state="failed"), cursor=cursor):
        cursor = page[-1].id
        yield from (job.id for job in page if job.error is not None and job.error.retryable)


def _report(jobs: list["Job"], as_json: bool) -> None:
    if as_json:
        print_json([_fields(job) for job in jobs])
        return
    for job in jobs:
        typer.echo(f"{job.state:10} {job.id}  {job.document_name}")


def _told(job: "Job") -> str:
    """A line about a job for people."""
    if job.error is not None:
        return f"{job.document_name}: {job.error.code}: {job.error.message}"
    if job.state != "running" or job.stage is None:
        return job.document_name
    share = f" {job.done} of {job.total} {job.unit}" if job.total else ""
    eta = f", about {job.eta_s:.0f} s to go" if job.eta_s is not None else ""
    return f"{job.document_name}: {job.stage}{share}{eta}"


def _fields(job: "Job") -> dict[str, object]:
    from app.api.schemas import JobOut

    return JobOut.of(job).model_dump(mode="json")
