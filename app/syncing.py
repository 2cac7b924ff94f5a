"""Keep a collection in step with a folder: add, update and remove what changed. Shows nothing.

Documents are named by their path in the folder and know that they came from it. What somebody else
uploaded is neither replaced nor removed. Every step is a transaction of its own: a run that was cut
short is finished by the next.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from app.adding import Added, upload
from app.services import Services
from core.access import Access
from core.errors import CimientoError, DocumentNotFoundError
from core.ids import DocumentId
from ingestion.collections import Collection
from ingestion.documents import Document, DocumentFilter, Version
from ingestion.folder import FolderContent, FoundFile, read_folder

_PAGE: Final = 500
_EVERYTHING: Final = Access.to_everything()
_WANTED: Final = ("queued", "running", "searchable")


class EmptyFolderError(CimientoError):
    """The folder holds no document; a drive that is not mounted looks like that."""

    code = "empty_folder"


class Action(StrEnum):
    """What is done, or would be."""

    ADDED = "added"
    UPDATED = "updated"
    REMOVED = "removed"
    UNCHANGED = "unchanged"
    KEPT = "kept"
    PASSED_OVER = "passed_over"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Step:
    """One name and what becomes of it. `found` is set where bytes are to be uploaded."""

    action: Action
    name: str
    reason: str = ""
    document_id: DocumentId | None = None
    found: FoundFile | None = None
    # Of the document as it was before.
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder and the collection that follows it."""

    root: Path
    collection: Collection

    @property
    def origin(self) -> str:
        """What documents that come from it are marked with."""
        return f"folder:{self.root.resolve()}"


def plan_sync(services: Services, folder: Folder, *, allow_empty: bool) -> list[Step]:
    """Compare the folder with the collection. Raises `EmptyFolderError`."""
    content = read_folder(folder.root)
    documents = {each.name: each for each in _list_documents(services, folder.collection)}
    steps = [_compare(services, file, documents.get(file.name), folder) for file in content.files]
    steps += [
        Step(Action.FAILED if each.is_error else Action.PASSED_OVER, each.name, each.reason)
        for each in content.passed
    ]
    ours = [each for each in documents.values() if each.origin == folder.origin]
    if not content.files and not allow_empty:
        raise EmptyFolderError(
            f"there is no document below {folder.root}, so nothing was done; with --allow-empty "
            f"the {len(ours)} documents that came from it are removed"
        )
    return [*steps, *_plan_removals(content, ours)]


def apply_sync(
    services: Services,
    folder: Folder,
    steps: Sequence[Step],
    *,
    see_through: Callable[[Sequence[Added]], list[Added]],
    password: str | None = None,
) -> list[Step]:
    """Do what was planned; returns what became of each step.

    `see_through` waits until the work on what was uploaded is not open any more.
    """
    coming = {step.found.sha256 for step in steps if step.found is not None}
    # A file that was moved stays found: its old name goes when the new one has come.
    moved = [step for step in steps if step.action == Action.REMOVED and step.sha256 in coming]
    done = {
        step.name: _remove(services, folder, step)
        for step in steps
        if step.action == Action.REMOVED and step not in moved
    }
    uploads = {
        step.name: upload(
            services,
            step.found.path,
            folder.collection.id,
            name=step.name,
            origin=folder.origin,
            password=password,
        )
        for step in steps
        if step.found is not None
    }
    # what was attached to them comes after them, and shares their fate
    outcomes = dict(zip(uploads, see_through(list(uploads.values())), strict=False))
    done |= {step.name: _remove(services, folder, step) for step in moved}
    done |= {
        step.name: _outcome(step, outcomes[step.name]) for step in steps if step.name in outcomes
    }
    return [done.get(step.name, step) for step in steps]


def _list_documents(services: Services, collection: Collection) -> Iterator[Document]:
    cursor = None
    where = DocumentFilter(collection=collection.name)
    while page := services.documents.list(_EVERYTHING, where=where, cursor=cursor, limit=_PAGE):
        yield from page
        cursor = page[-1].id


def _compare(
    services: Services, file: FoundFile, document: Document | None, folder: Folder
) -> Step:
    if document is None:
        return Step(Action.ADDED, file.name, found=file)
    current = _current(document)
    known = Step(Action.UNCHANGED, file.name, document_id=document.id)
    if current is not None and current.sha256 == file.sha256:
        # Of a run that was cut short: sent again, which changes nothing, so as to wait for its end.
        return known if current.state == "searchable" else replace(known, found=file)
    if document.origin != folder.origin:
        whose = document.origin or "uploaded by somebody else"
        return replace(known, action=Action.KEPT, reason=f"the name is taken: {whose}")
    if document.newest.sha256 == file.sha256:
        failed = services.jobs.get(document.newest.id, _EVERYTHING)
        if failed.error is not None and not failed.error.retryable:
            return replace(known, action=Action.FAILED, reason=failed.error.message)
    return replace(known, action=Action.UPDATED, found=file)


def _current(document: Document) -> Version | None:
    # as an upload sees it: the newest that is searchable or on its way there
    return next(
        (each for each in (document.newest, document.version) if each.state in _WANTED), None
    )


def _plan_removals(content: FolderContent, ours: Iterable[Document]) -> Iterator[Step]:
    names = content.names
    for document in ours:
        if document.name in names:
            continue
        if not content.is_complete:
            reason = "it may be in a folder that cannot be listed"
            yield Step(Action.KEPT, document.name, reason, document.id)
        else:
            sha256 = document.version.sha256
            yield Step(Action.REMOVED, document.name, document_id=document.id, sha256=sha256)


def _remove(services: Services, folder: Folder, step: Step) -> Step:
    if step.document_id is None:
        return step
    try:
        services.documents.delete(step.document_id, _EVERYTHING, origin=folder.origin)
    except DocumentNotFoundError:
        return replace(step, action=Action.KEPT, reason="deleted or taken over meanwhile")
    return step


def _outcome(step: Step, added: Added) -> Step:
    if added.accepted is not None:
        step = replace(step, document_id=added.accepted.document_id)
        if added.accepted.skipped:
            return replace(step, action=Action.KEPT, reason="the name was taken meanwhile")
        if added.accepted.deduplicated:
            step = replace(step, action=Action.UNCHANGED)
    if added.error is not None:
        return replace(step, action=Action.FAILED, reason=added.error.message)
    if added.state != "searchable":
        return replace(step, action=Action.FAILED, reason=f"the work was {added.state}")
    return step
