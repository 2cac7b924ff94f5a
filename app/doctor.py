"""What is wrong with an installation, and what mends it. Looks only: it mends and makes nothing.

Every look stands alone, so that one part that is down does not hide the others. No line holds a
secret: addresses are told without their passwords.
"""

import http.client
import os
import resource
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeGuard
from urllib.parse import urlsplit

from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

import migrations
from app.backup.mark import MARK
from core.blobs import BlobStore
from core.database import Database
from core.errors import (
    BlobStoreRefusedError,
    BlobStoreUnavailableError,
    CimientoError,
    DatabaseBehindError,
)
from core.index_status import read_status
from core.merging import Workshop
from core.models import ModelStore
from core.segment_files import SegmentFiles
from core.settings import Settings
from core.tables import ChunkRow, JobRow, WorkerRow
from core.tuned_embedding import find_tuned
from generation.weights import find_adapter
from ingestion.attempts import OPEN_STATES
from retrieval.lexical.follower import LexicalFollower

State = Literal["ok", "warning", "broken"]

_FULL_BYTES: Final = 256 << 20
_TIGHT_BYTES: Final = 2 << 30
_MIN_FILES: Final = 1024
_SKEWED_S: Final = 5.0
_WRONG_S: Final = 60.0
_WAITS_LONG: Final = timedelta(minutes=10)
_CONNECT_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one part, and the remedy where there is something to mend."""

    part: str
    state: State
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at. `database` is None where its file is not there yet."""

    settings: Settings
    database: Database | None
    models: ModelStore
    lexical: LexicalFollower | None = None
    # stores elsewhere, where the settings name them
    blobs: BlobStore | None = None
    published: BlobStore | None = None


def examine(patient: Patient) -> Iterator[Seen]:
    """Look at every part, one after another."""
    for part, look in _LOOKS.items():
        try:
            yield from look(patient)
        except (CimientoError, SQLAlchemyError, OSError) as error:
            yield Seen(part, "broken", f"it cannot be looked at: {_plain(error)}", "see above")


def _plain(error: BaseException) -> str:
    # SQLAlchemy repeats the statement with its parameters
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__


def _look_at_folder(patient: Patient) -> Iterator[Seen]:
    folder = patient.settings.data_dir
    if not folder.is_dir():
        detail = f"{folder} is not there yet"
        yield Seen("data folder", "warning", detail, "'cimiento serve' makes it")
        return
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        detail = f"nothing can be written to {folder}: {error.strerror}"
        yield Seen("data folder", "broken", detail, "free room there, or give its user the right")
        return
    yield Seen("data folder", "ok", f"{folder} can be written to")
    if (folder / MARK).exists():
        detail = "a restore was begun here and did not end"
        yield Seen("restore", "broken", detail, "run the same 'cimiento restore' again")


def _look_at_room(patient: Patient) -> Iterator[Seen]:
    folder = patient.settings.data_dir
    while not folder.is_dir():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    detail = f"{free / (1 << 30):.1f} GiB are free"
    remedy = "free room, or move CIMIENTO_DATA_DIR: uploads fail with storage_full"
    if free < _FULL_BYTES:
        yield Seen("room", "broken", detail, remedy)
    elif free < _TIGHT_BYTES:
        yield Seen("room", "warning", detail, remedy)
    else:
        yield Seen("room", "ok", detail)


def _look_at_database(patient: Patient) -> Iterator[Seen]:
    if patient.database is None:
        detail = "there is none yet"
        yield Seen("database", "warning", detail, "'cimiento serve' or 'cimiento db upgrade'")
        return
    url = patient.database.engine.url
    name = url.set(query={}).render_as_string(hide_password=True)
    try:
        with patient.database.read_scope() as session:
            session.execute(text("SELECT 1"))
    except (SQLAlchemyError, OSError) as error:
        remedy = "start it, or correct CIMIENTO_DATABASE__URL"
        yield Seen("database", "broken", f"{name} cannot be reached: {_plain(error)}", remedy)
        return
    yield Seen("database", "ok", f"{name} answers")
    try:
        migrations.check(patient.database)
    except DatabaseBehindError as error:
        yield Seen("schema", "broken", str(error), "'cimiento db upgrade' with this version")
        return
    with patient.database.engine.connect() as connection:
        found, own = migrations.find_revision(connection), migrations.current_revision()
    if found == own:
        yield Seen("schema", "ok", f"at revision {found}")
    else:
        detail = (
            f"at revision {found}: a newer version migrated it, and this one, of {own}, goes on"
        )
        yield Seen("schema", "warning", detail, "update what still runs this version")


def _look_at_blobs(patient: Patient) -> Iterator[Seen]:
    url = patient.settings.blobs.url
    if url is None or patient.blobs is None:
        return  # inside the data folder
    try:
        keeps_deleted = patient.blobs.keeps_deleted()
    except (BlobStoreUnavailableError, OSError) as error:
        remedy = "start it, or correct CIMIENTO_BLOBS__ENDPOINT: uploads and new segments wait"
        yield Seen("blob store", "broken", str(error), remedy)
    except BlobStoreRefusedError as error:
        yield Seen("blob store", "broken", str(error), "correct the settings, or the key's rights")
    else:
        yield Seen("blob store", "ok", f"{url} can be written to, read and deleted from")
        if keeps_deleted:
            detail = "the bucket keeps versions: deleted documents stay in it"
            remedy = "suspend its versioning, or have a lifecycle rule end old versions"
            yield Seen("deleted blobs", "warning", detail, remedy)


def _look_at_clock(patient: Patient) -> Iterator[Seen]:
    if patient.database is None or patient.database.engine.dialect.name == "sqlite":
        return  # one machine, one clock
    with patient.database.read_scope() as session:
        moment = session.scalars(select(func.clock_timestamp())).one()
    skew_s = abs((datetime.now(UTC) - moment).total_seconds())
    detail = f"{skew_s:.1f} s apart from the database's"
    if skew_s < _SKEWED_S:
        yield Seen("clock", "ok", detail)
        return
    state: State = "broken" if skew_s >= _WRONG_S else "warning"
    yield Seen("clock", state, detail, "let both follow one time server: keys and sessions expire")


def _look_at_work(patient: Patient) -> Iterator[Seen]:
    if not _is_usable(patient.database):
        return
    silent_after = timedelta(seconds=patient.settings.ingestion.worker_timeout_s)
    moment = datetime.now(UTC)
    with patient.database.read_scope() as session:
        workers = session.scalars(select(WorkerRow).where(WorkerRow.role == "ingest")).all()
        living = {each.id for each in workers if moment - each.beat_at <= silent_after}
        opened = session.scalars(select(JobRow).where(JobRow.state.in_(OPEN_STATES))).all()
        failed = session.scalar(
            select(func.count()).select_from(JobRow).where(JobRow.state == "failed")
        )
    silent = len(workers) - len(living)
    detail = f"{len(living)} live, {silent} are silent" if silent else f"{len(living)} live"
    start = "'cimiento serve' or 'cimiento worker ingest'"
    if not living:
        state: State = "broken" if opened else "warning"
        yield Seen("workers", state, f"none lives, {len(opened)} documents wait", start)
    elif silent:
        yield Seen("workers", "warning", detail, "a living one takes their work over by itself")
    else:
        yield Seen("workers", "ok", detail)
    yield from _stuck_jobs(opened, living, moment)
    if failed:
        remedy = "'cimiento jobs list --state failed', then 'cimiento jobs retry --failed'"
        yield Seen("failed jobs", "warning", f"{failed} documents failed", remedy)


def _stuck_jobs(opened: Sequence[JobRow], living: set[str], moment: datetime) -> Iterator[Seen]:
    orphaned = [each for each in opened if each.state == "running" and each.worker_id not in living]
    late = [each for each in opened if each.started_at is None]
    late = [each for each in late if moment - each.created_at > _WAITS_LONG]
    if living and orphaned:
        detail = f"{len(orphaned)} are held by workers that do not live"
        remedy = "they are taken over within a minute; if not, start the workers again"
        yield Seen("jobs", "warning", detail, remedy)
    elif living and late:
        detail = f"{len(late)} have waited for more than {_WAITS_LONG.seconds // 60} minutes"
        yield Seen("jobs", "warning", detail, "start more workers: 'cimiento worker ingest'")
    else:
        yield Seen("jobs", "ok", f"{len(opened)} are open, none is stuck")


def _look_at_index(patient: Patient) -> Iterator[Seen]:
    if not _is_usable(patient.database) or patient.lexical is None:
        return
    rebuild = "the ingestion worker mends it; 'cimiento index rebuild' does so now"
    files = SegmentFiles(patient.settings.data_dir / "segments", patient.published)
    found = read_status(Workshop(patient.database, files))
    with patient.database.read_scope() as session:
        num_chunks = session.scalar(select(func.count()).select_from(ChunkRow)) or 0
    damaged = [one for one in found.segments if one.error is not None]
    of_model = [each for each in found.segments if each.embedding_model == found.embedding_model]
    num_live = sum(each.num_vectors - each.num_deleted for each in of_model)
    for one in damaged:
        yield Seen("index", "broken", f"segment {one.id} is damaged: {one.error}", rebuild)
    if not damaged and num_live != num_chunks:
        detail = f"it has {num_live} live vectors for {num_chunks} chunks"
        yield Seen("index", "broken", detail, "'cimiento index rebuild'")
    elif not damaged:
        yield Seen("index", "ok", f"{num_live} vectors in {len(of_model)} segments")
    words = patient.lexical.status()
    if words.error is not None:
        yield Seen("lexical index", "broken", f"it cannot be read: {words.error}", rebuild)
    elif not words.is_current:
        detail = f"{words.num_chunks} of {words.num_live} chunks, behind the database"
        remedy = "a service brings it up to date within a second; 'cimiento index rebuild'"
        yield Seen("lexical index", "warning", detail, remedy)
    else:
        yield Seen("lexical index", "ok", f"{words.num_chunks} chunks, up to date")


def _look_at_models(patient: Patient) -> Iterator[Seen]:
    settings = patient.settings
    wanted = [settings.models.embedding]
    if settings.generation.url is None:
        wanted.append(settings.models.answer)
    for name in wanted:
        part = f"model {name}"
        if find_tuned(settings.models_dir, name) is not None:
            yield Seen(part, "ok", "it was tuned here")
        elif patient.models.find(name) is None:
            yield Seen(part, "broken", "its files are not here", f"'cimiento models pull {name}'")
        elif not patient.models.verify(name).is_ok:
            detail = "its files are not what they should be"
            yield Seen(part, "broken", detail, f"'cimiento models pull {name}' fetches them again")
        else:
            yield Seen(part, "ok", "every byte is the pinned one")
    adapter = settings.models.adapter
    if adapter is not None and not find_adapter(adapter).is_file():
        yield Seen("adapter", "broken", f"{adapter} is not there", "CIMIENTO_MODELS__ADAPTER")


def _look_at_ports(patient: Patient) -> Iterator[Seen]:
    server = patient.settings.server
    host = "127.0.0.1" if server.host in ("0.0.0.0", "::") else server.host  # noqa: S104 - compared
    part = f"port {server.port}"
    if not _listens(host, server.port):
        yield Seen(part, "ok", "nobody listens there: the service can be started")
    elif _is_ours(host, server.port):
        yield Seen(part, "ok", "the service answers there")
    else:
        detail = "another program listens there"
        yield Seen(part, "broken", detail, "stop it, or choose another with CIMIENTO_SERVER__PORT")
    for url in patient.settings.generation.urls:
        yield _look_at_generation_worker(url)


def _look_at_generation_worker(url: str) -> Seen:
    address = urlsplit(url)
    place = (address.hostname or "", address.port or (443 if address.scheme == "https" else 80))
    part = f"generation worker {place[0]}:{place[1]}"
    if _listens(*place):
        return Seen(part, "ok", "it accepts connections")
    remedy = "start it, or correct CIMIENTO_GENERATION__URL"
    return Seen(part, "broken", "nobody listens there", remedy)


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=_CONNECT_S):
            return True
    except OSError:
        return False


def _is_ours(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=_CONNECT_S)
    try:
        connection.request("GET", "/health/live")
        reply = connection.getresponse()
        return reply.status == http.HTTPStatus.OK and reply.getheader("X-Request-ID") is not None
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _look_at_files(_patient: Patient) -> Iterator[Seen]:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    detail = f"a process may open {soft} files"
    if soft != resource.RLIM_INFINITY and soft < _MIN_FILES:
        yield Seen("open files", "warning", detail, "'ulimit -n 4096' before it starts")
    else:
        yield Seen("open files", "ok", detail)


def _is_usable(database: Database | None) -> TypeGuard[Database]:
    """Whether there is one with this code's tables; what is wrong with it was said before."""
    if database is None:
        return False
    try:
        migrations.check(database)
    except (DatabaseBehindError, SQLAlchemyError):
        return False
    return True


_LOOKS: Final[Mapping[str, Callable[[Patient], Iterator[Seen]]]] = {
    "data folder": _look_at_folder,
    "room": _look_at_room,
    "database": _look_at_database,
    "blob store": _look_at_blobs,
    "clock": _look_at_clock,
    "workers": _look_at_work,
    "index": _look_at_index,
    "models": _look_at_models,
    "ports": _look_at_ports,
    "open files": _look_at_files,
}
