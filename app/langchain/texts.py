"""Texts with ids as documents of a collection: added, found and deleted like every other.

Each is a document named by its id, whose origin says that it is one of these. What others uploaded
under such a name is neither replaced nor deleted.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.adding import Added
from app.services import Services
from core.access import Access
from core.errors import BlobMissingError, CimientoError, DocumentNotFoundError
from core.ids import DocumentId
from ingestion.attempts import Attempt
from ingestion.collections import Collection
from ingestion.documents import Document, DocumentFilter
from ingestion.errors import BadMetadataError, BadNameError
from ingestion.parsing.formats import PLAIN
from ingestion.uploads import Accepted, Upload, clean_relative_path, read_metadata

SeeThrough = Callable[[Sequence[Added]], Sequence[Added]]
"""Waits until the work on what was added has ended, or does it."""

ORIGIN: Final = "langchain"


class TextsNotAddedError(CimientoError):
    """Some texts could not be made searchable; the message says which, and why."""

    code = "texts_not_added"


@dataclass(frozen=True, slots=True)
class Text:
    """A text as it was added, to the byte."""

    id: str
    text: str
    metadata: Mapping[str, object]


class Texts:
    """The texts of one collection."""

    def __init__(self, services: Services, collection: Collection, see_through: SeeThrough) -> None:
        self._services = services
        self._collection = collection
        self._access = Access(frozenset({collection.id}))
        self._see_through = see_through

    def add(self, texts: Sequence[Text]) -> None:
        """Add texts, or replace those of the same ids; they are searchable on return.

        Raises `BadNameError` and `BadMetadataError` before anything is added, and
        `TextsNotAddedError`; what went well stays then.
        """
        # of two with one id the later counts
        uploads = {text.id: (self._upload(text), text) for text in texts}
        added = [self._accept(upload, text.text) for upload, text in uploads.values()]
        failed = [item for item in self._see_through(added) if item.state != "searchable"]
        if failed:
            reasons = "; ".join(
                f"{item.path}: {item.error.message if item.error else item.state}"
                for item in failed
            )
            raise TextsNotAddedError(f"{len(failed)} of {len(added)} failed: {reasons}")

    def find(self, ids: Sequence[str]) -> list[Text]:
        """Those of the texts that are there and searchable."""
        found = [self.load(document.id) for document in self._find(ids)]
        return [text for text in found if text is not None]

    def load(self, document_id: DocumentId) -> Text | None:
        """The searchable text that this document is; None where it is none of these, or gone."""
        try:
            document = self._services.documents.get(document_id, self._access)
            if document.origin != ORIGIN or document.version.state != "searchable":
                return None
            content = self._services.documents.content(document_id, self._access, number=None)
            text = content.whole().decode()
        except (DocumentNotFoundError, BlobMissingError):
            return None  # deleted while it was read
        return Text(document.name, text, content.version.metadata)

    def delete(self, ids: Sequence[str] | None) -> None:
        """Delete the texts of these ids, or all; ids that are not there are no error."""
        for document in list(self._list() if ids is None else self._find(ids)):
            self._delete(document.id)

    def _upload(self, text: Text) -> Upload:
        if clean_relative_path(text.id) != text.id:
            raise BadNameError(f"{text.id!r} cannot be an id: no document can have that name")
        try:
            # as it comes back from the database: what cannot be kept is refused
            metadata = read_metadata(json.dumps(text.metadata))
        except (TypeError, ValueError) as error:
            raise BadMetadataError(f"metadata of {text.id!r} is not JSON: {error}") from error
        return Upload(self._collection.id, text.id, PLAIN, metadata, origin=ORIGIN, uploader=ORIGIN)

    def _accept(self, upload: Upload, text: str) -> Added:
        accepted = self._receive(upload, text)
        document = self._services.documents.get(accepted.document_id, self._access)
        if accepted.skipped or document.origin != ORIGIN:
            raise TextsNotAddedError(f"{upload.name!r} is a document that others uploaded")
        if accepted.deduplicated and document.newest.metadata != upload.metadata:
            # equal bytes are one version, which keeps its metadata
            self._delete(document.id)
            accepted = self._receive(upload, text)
        if not accepted.deduplicated:
            self._services.queue.enqueue(
                Attempt(accepted.job_id, accepted.attempt, turn=accepted.turn)
            )
        job = self._services.jobs.get(accepted.job_id, self._access)
        return Added(Path(upload.name), accepted, job, job.error)

    def _receive(self, upload: Upload, text: str) -> Accepted:
        with self._services.blobs.begin() as blob:
            blob.write(text.encode())
            return self._services.documents.accept(upload, blob)

    def _delete(self, document_id: DocumentId) -> None:
        try:
            self._services.documents.delete(document_id, self._access, origin=ORIGIN)
        except DocumentNotFoundError:
            return  # somebody else was first
        self._services.generator.forget_prefixes()

    def _find(self, ids: Sequence[str]) -> list[Document]:
        named = self._services.documents.list_named(self._collection.id, ids, self._access)
        return [document for document in named if document.origin == ORIGIN]

    def _list(self) -> Iterator[Document]:
        where, cursor = DocumentFilter(collection=self._collection.name), None
        while page := self._services.documents.list(self._access, where=where, cursor=cursor):
            yield from (document for document in page if document.origin == ORIGIN)
            cursor = page[-1].id
