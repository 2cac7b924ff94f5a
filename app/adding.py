"""Add files to a collection without HTTP, and see them through. Shows nothing itself."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from app.services import Services
from core.access import Access
from core.errors import CimientoError, JobNotFoundError
from core.ids import CollectionId
from ingestion.attempts import Attempt, JobError, job_error
from ingestion.errors import DocumentTooLargeError, UnsupportedMediaTypeError
from ingestion.jobs import Job, JobFilter
from ingestion.media_types import detect_media_type
from ingestion.uploads import Accepted, Upload

_READ_BYTES: Final = 1 << 20
_POLL_S: Final = 0.3
_UPLOADER: Final = "command line"
_EVERYTHING: Final = Access.to_everything()


@dataclass(frozen=True, slots=True)
class Added:
    """A file, and what has become of it. `job` is None where it was refused at the door."""

    path: Path
    accepted: Accepted | None = None
    job: Job | None = None
    error: JobError | None = None
    is_attachment: bool = False

    @property
    def state(self) -> str:
        """One word for the outcome so far."""
        if self.error is not None or self.job is None:
            return "failed"
        return self.job.state

    @property
    def is_open(self) -> bool:
        """Whether work on it is still to come to its end."""
        return self.job is not None and self.job.is_open


def find_files(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """The files themselves, and every file below the folders; hidden ones are left out.

    With what to call each: a file by its name, one below a folder by its way from there, so that
    two of one name are two documents.
    """
    for path in paths:
        if not path.is_dir():
            yield path, path.name
            continue
        for inner in sorted(path.rglob("*")):
            way = inner.relative_to(path)
            if inner.is_file() and not any(part.startswith(".") for part in way.parts):
                yield inner, way.as_posix()


def upload(
    services: Services,
    path: Path,
    collection_id: CollectionId,
    *,
    name: str | None = None,
    origin: str | None = None,
    password: str | None = None,
) -> Added:
    """Store one file and queue the work on it. A file that is refused is an outcome, no error.

    `name` is by default the file's own, and may be its way below a folder; `origin` marks what
    comes from a synchronised folder.
    """
    wanted = Upload(
        collection_id,
        name or path.name,
        media_type="",
        origin=origin,
        uploader=_UPLOADER,
        password=password,
        is_path=name is not None,
    )
    try:
        accepted = _accept(services, path, wanted)
        if not (accepted.deduplicated or accepted.skipped):
            services.queue.enqueue(Attempt(accepted.job_id, accepted.attempt, turn=accepted.turn))
        return Added(path, accepted, services.jobs.get(accepted.job_id, _EVERYTHING))
    except CimientoError as error:
        return Added(path, error=job_error(error))
    except OSError as error:
        reason = error.strerror or str(error)
        return Added(path, error=JobError("unreadable_file", reason, retryable=False))


def is_foreign(added: Added) -> bool:
    """Whether the file is of a kind that cannot be read, and no failure inside a folder."""
    return added.error is not None and added.error.code == UnsupportedMediaTypeError.code


def see_through(
    services: Services,
    added: Sequence[Added],
    build_worker: Callable[[], AbstractContextManager[object]],
    *,
    show: Callable[[Sequence[Added]], None],
) -> list[Added]:
    """Wait until no work is open, doing it here unless a worker lives already.

    What turns out to be attached to the files is seen through as well.
    """
    ended = [item for item in added if not item.is_open]
    current = [*added, *(more for item in ended for more in _attachments(services, item))]
    with ExitStack() as stack:
        is_working = False
        while any(item.is_open for item in current):
            # Asked again every time: whoever works may end before our files are done.
            if not is_working and not services.workers.find_living():
                stack.enter_context(build_worker())
                is_working = True
            time.sleep(_POLL_S)
            refreshed = _all_refreshed(services, current)
            ended = [
                after
                for before, after in zip(current, refreshed, strict=True)
                if before.is_open and not after.is_open
            ]
            current = refreshed + [more for item in ended for more in _attachments(services, item)]
            show(current)
    return current


def _all_refreshed(services: Services, added: Sequence[Added]) -> list[Added]:
    """Two questions for however many files; more only about those that ended since."""
    running = {
        job.id: job for job in services.jobs.list(_EVERYTHING, where=JobFilter(state="running"))
    }
    waiting = {attempt.version_id for attempt in services.attempts.list_open()}
    current = []
    for item in added:
        job = item.job
        if job is None or not item.is_open or (job.id in waiting and job.id not in running):
            current.append(item)
        elif job.id in running:
            current.append(replace(item, job=running[job.id]))
        else:
            current.append(_refreshed(services, item))
    return current


def _refreshed(services: Services, item: Added) -> Added:
    if item.job is None or not item.is_open:
        return item
    try:
        job = services.jobs.get(item.job.id, _EVERYTHING)
    except JobNotFoundError as error:
        return replace(item, job=None, error=job_error(error))
    return replace(item, job=job, error=job.error)


def _attachments(services: Services, item: Added) -> Iterator[Added]:
    if item.job is not None:
        for job in services.jobs.list_attached(item.job.id):
            path = item.path / job.document_name.rpartition("/")[2]
            attached = Added(path, job=job, error=job.error, is_attachment=True)
            yield attached
            if not attached.is_open:
                yield from _attachments(services, attached)


def _accept(services: Services, path: Path, wanted: Upload) -> Accepted:
    max_bytes = services.settings.server.max_upload_bytes
    with services.blobs.begin() as blob, path.open("rb") as file:
        while data := file.read(_READ_BYTES):
            blob.write(data)
            if blob.num_bytes > max_bytes:
                raise DocumentTooLargeError(
                    f"larger than {max_bytes} bytes; CIMIENTO_SERVER__MAX_UPLOAD_BYTES sets "
                    "the limit"
                )
        media_type = detect_media_type(blob.path, path.name)
        return services.documents.accept(replace(wanted, media_type=media_type), blob)
