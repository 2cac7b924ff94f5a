"""What came inside a document becomes documents of its own. Parses nothing.

They are made in the transaction that publishes their parent: either all are there, each with its
job, or none is. Like the chunks of a version they belong to it, and go when it goes.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.blobs import PendingBlob
from core.errors import CimientoError
from core.ids import CollectionId, VersionId
from core.tables import DocumentRow, VersionRow
from ingestion.accepting import accept_in
from ingestion.attempts import Attempt, fail, job_error
from ingestion.errors import NestedTooDeepError
from ingestion.media_types import detect_media_type
from ingestion.parsing.attachments import AttachedFile
from ingestion.store import Store
from ingestion.uploads import OnConflict, Upload

_MAX_DEPTH: Final = 3
_MAX_NAME_CHARS: Final = 512
_UNKNOWN_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Incoming:
    """An attachment whose bytes are ready to be kept; `error` says why it cannot be read."""

    name: str
    media_type: str
    blob: PendingBlob
    error: CimientoError | None = None


@contextmanager
def receive(store: Store, files: Sequence[AttachedFile]) -> Iterator[list[Incoming]]:
    """Hash the attachments and find out what they are. What is not kept inside is removed."""
    with ExitStack() as stack:
        yield [_receive(stack.enter_context(store.blobs.begin()), file) for file in files]


def attach(session: Session, version: VersionRow, incoming: Sequence[Incoming]) -> None:
    """Make a document of each attachment of the version, with a queued job.

    Comes before older versions are retired: an attachment that an older version has as well, byte
    for byte, only changes hands. One that cannot be read is a failed document, and so is one that
    is too many mails deep.
    """
    if not incoming:
        return
    document = session.get_one(DocumentRow, version.document_id)
    is_too_deep = _depth(session, version) >= _MAX_DEPTH
    names = _names(document.name, incoming, taken=_foreign_names(session, document))
    for name, item in zip(names, incoming, strict=True):
        upload = Upload(
            collection_id=CollectionId(document.collection_id),
            name=name,
            media_type=item.media_type,
            metadata=version.user_metadata,
            on_conflict=OnConflict.VERSION if version.keep_older else OnConflict.REPLACE,
            parent_id=VersionId(version.id),
        )
        accepted = accept_in(session, upload, item.blob)
        error = item.error or (_too_deep() if is_too_deep else None)
        if accepted.deduplicated:
            _hand_over(session, accepted.version_id, version)
        elif error is not None:
            fail(session, Attempt(accepted.version_id, accepted.attempt), job_error(error))


def _receive(blob: PendingBlob, file: AttachedFile) -> Incoming:
    blob.write_file(file.path)
    # Before the transaction: the writer's lock must not wait for a slow disk or network.
    blob.prepare()
    try:
        return Incoming(file.name, detect_media_type(blob.path, file.name), blob)
    except CimientoError as error:
        return Incoming(file.name, _UNKNOWN_TYPE, blob, error)


def _hand_over(session: Session, child_id: VersionId, version: VersionRow) -> None:
    session.execute(
        update(VersionRow).where(VersionRow.id == child_id).values(parent_id=version.id)
    )


def _foreign_names(session: Session, document: DocumentRow) -> set[str]:
    # a synchronised folder may have the name of a mail, and files in it
    query = (
        select(DocumentRow.name)
        .join(VersionRow, VersionRow.document_id == DocumentRow.id)
        .where(
            DocumentRow.collection_id == document.collection_id,
            DocumentRow.name.startswith(f"{document.name}/", autoescape=True),
            VersionRow.parent_id.is_(None),
        )
    )
    return set(session.scalars(query))


def _depth(session: Session, version: VersionRow) -> int:
    depth, above = 0, version.parent_id
    while above is not None and depth < _MAX_DEPTH:
        depth += 1
        above = session.scalar(select(VersionRow.parent_id).where(VersionRow.id == above))
    return depth


def _names(parent: str, incoming: Sequence[Incoming], *, taken: set[str]) -> Iterator[str]:
    # "mail.eml/report.pdf"; half of the room at most, so that there is some left further down
    room = max(1, (_MAX_NAME_CHARS - len(parent)) // 2)
    seen = set(taken)
    for item in incoming:
        suffix = PurePosixPath(item.name).suffix
        name, number = f"{parent}/{_fit(item.name, room)}", 1
        while name in seen:
            number += 1
            numbered = f"{item.name.removesuffix(suffix)[: room - 6]} ({number}){suffix}"
            name = f"{parent}/{_fit(numbered, room)}"
        seen.add(name)
        yield name


def _fit(name: str, room: int) -> str:
    if len(name) <= room:
        return name
    suffix = PurePosixPath(name).suffix[:8]
    return name[: max(0, room - len(suffix))] + suffix


def _too_deep() -> CimientoError:
    return NestedTooDeepError(f"it is attached more than {_MAX_DEPTH} mails deep")
