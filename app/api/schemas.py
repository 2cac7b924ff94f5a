"""What goes over the wire, as api.md names it. Shapes only; `of` builds them from room data."""

from datetime import datetime
from typing import Annotated, Final, Literal, Self

from pydantic import Field, JsonValue, SecretStr

from app.api.fields import CollectionName, Description, Reply, Request, ShortQuestion
from app.api.label_schemas import LabelOut
from core.types import Box, Passage
from ingestion.attempts import JobError
from ingestion.collections import Collection
from ingestion.documents import Document, Version
from ingestion.jobs import Job
from ingestion.purge import Purged
from ingestion.uploads import MAX_PASSWORD_CHARS, Accepted

Language = Annotated[str, Field(max_length=8, examples=["es"])]
Filter = Annotated[
    dict[str, JsonValue],
    Field(examples=[{"field": "language", "op": "eq", "value": "es"}]),
]
MAX_COLLECTIONS: Final = 100
CollectionNames = Annotated[list[CollectionName], Field(min_length=1, max_length=MAX_COLLECTIONS)]


class FieldProblem(Reply):
    """What is wrong with one field."""

    field: str
    message: str


class Problem(Reply):
    """An error, as application/problem+json."""

    type: str = Field(examples=["urn:cimiento:problem:document_not_found"])
    title: str = Field(examples=["Document not found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["there is no document 'doc_01k'"])
    code: str = Field(examples=["document_not_found"])
    errors: list[FieldProblem] | None = None


class CollectionSettings(Request):
    """How a collection is answered from where a question does not say; null: as the service is."""

    likelihood: bool | None = Field(
        default=None,
        description="Whether each sentence says how much less likely it is without its source.",
    )
    samples: int | None = Field(
        default=None, ge=1, le=16, description="Drafts to sample, of which a reward picks one."
    )
    first_questions: Annotated[list[ShortQuestion], Field(max_length=6)] | None = Field(
        default=None, description="What people are offered to ask first."
    )


class CollectionNew(Request):
    """A collection to be made."""

    name: CollectionName = Field(examples=["handbook"])
    description: Description = Field(default="", examples=["The staff handbook"])
    language: Language | None = None
    settings: CollectionSettings = CollectionSettings()


class CollectionChange(Request):
    """What to change of a collection; what is left out stays."""

    description: Description | None = None
    language: Language | None = None
    settings: CollectionSettings = CollectionSettings()


class CollectionOut(Reply):
    """A collection."""

    id: str
    name: str
    description: str
    language: str | None
    settings: CollectionSettings
    num_documents: int
    created_at: datetime

    @classmethod
    def of(cls, collection: Collection) -> Self:
        """From the room's own data."""
        return cls(
            id=collection.id,
            name=collection.name,
            description=collection.description,
            language=collection.language,
            settings=CollectionSettings.model_validate(collection.settings),
            num_documents=collection.num_documents,
            created_at=collection.created_at,
        )


class ConfidenceOut(Reply):
    """Below which confidence a question is refused."""

    min_confidence: float
    num_questions: int | None = Field(
        description="Questions that it was fitted to; null where it is that of the service."
    )


class UploadOut(Reply):
    """An upload that is safe on disk."""

    document_id: str
    version: int
    sha256: str
    bytes: int
    media_type: str
    deduplicated: bool = Field(description="Nothing was new: these bytes are there already.")
    skipped: bool = Field(
        description="on_conflict=skip left another document as it is; the fields describe that one."
    )
    job_id: str

    @classmethod
    def of(cls, accepted: Accepted) -> Self:
        """From the room's own data."""
        return cls(
            document_id=accepted.document_id,
            version=accepted.number,
            sha256=accepted.sha256,
            bytes=accepted.num_bytes,
            media_type=accepted.media_type,
            deduplicated=accepted.deduplicated,
            skipped=accepted.skipped,
            job_id=accepted.job_id,
        )


class VersionOut(Reply):
    """One upload of a document."""

    version: int
    state: str
    sha256: str
    bytes: int
    media_type: str
    metadata: dict[str, object]
    language: str | None
    pages: int | None
    chunks: int | None
    created_at: datetime
    published_at: datetime | None
    job_id: str

    @classmethod
    def of(cls, version: Version) -> Self:
        """From the room's own data."""
        return cls(
            version=version.number,
            state=version.state,
            sha256=version.sha256,
            bytes=version.num_bytes,
            media_type=version.media_type,
            metadata=version.metadata,
            language=version.language,
            pages=version.num_pages,
            chunks=version.num_chunks,
            created_at=version.created_at,
            published_at=version.published_at,
            job_id=version.id,
        )


class DocumentOut(Reply):
    """A document. `version` is the searchable one, or else the newest; `newest` is the newest."""

    id: str
    name: str
    collection: str
    state: str = Field(description="State of the newest version.")
    parent_id: str | None = Field(description="The document it was attached to, such as a mail.")
    created_at: datetime
    version: VersionOut
    newest: VersionOut
    labels: list[LabelOut] = Field(description="By name.")

    @classmethod
    def of(cls, document: Document) -> Self:
        """From the room's own data."""
        return cls(
            id=document.id,
            name=document.name,
            collection=document.collection,
            state=document.newest.state,
            parent_id=document.parent_id,
            created_at=document.created_at,
            version=VersionOut.of(document.version),
            newest=VersionOut.of(document.newest),
            labels=[LabelOut.of(each) for each in document.labels],
        )


class PurgedCounts(Reply):
    """Counts of what was removed."""

    versions: int
    chunks: int
    vectors: int
    blobs: int


class PurgedOut(Reply):
    """What a deletion removed."""

    purged: PurgedCounts

    @classmethod
    def of(cls, purged: Purged) -> Self:
        """From the room's own data."""
        return cls(
            purged=PurgedCounts(
                versions=purged.versions,
                chunks=purged.chunks,
                vectors=purged.vectors,
                blobs=purged.blobs,
            )
        )


class TextOut(Reply):
    """The text of a version: what every `start` and `end` points into."""

    document_id: str
    version: int
    text: str
    page_starts: list[int] = Field(description="Offset at which each page begins; may be empty.")


class JobErrorOut(Reply):
    """Why a job failed."""

    code: str
    message: str
    retryable: bool

    @classmethod
    def of(cls, error: JobError) -> Self:
        """From the room's own data."""
        return cls(code=error.code, message=error.message, retryable=error.retryable)


class JobRetry(Request):
    """What a retry may bring; an encrypted file's password is forgotten once it is parsed."""

    password: SecretStr | None = Field(default=None, max_length=MAX_PASSWORD_CHARS)


class JobOut(Reply):
    """The work of making one version searchable."""

    id: str
    document_id: str
    document_name: str
    version: int
    state: Literal["queued", "running", "searchable", "failed", "cancelled"]
    stage: Literal["parsing", "chunking", "embedding", "publishing"] | None
    done: int
    total: int | None
    unit: str | None
    rate: float | None = Field(description="Units a second in this stage.")
    eta_s: float | None = Field(description="Seconds until the stage is done, at that rate.")
    attempt: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: JobErrorOut | None

    @classmethod
    def of(cls, job: Job) -> Self:
        """From the room's own data."""
        return cls(
            id=job.id,
            document_id=job.document_id,
            document_name=job.document_name,
            version=job.version,
            state=job.state,
            stage=job.stage,
            done=job.done,
            total=job.total,
            unit=job.unit,
            rate=job.rate,
            eta_s=job.eta_s,
            attempt=job.attempt,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            error=JobErrorOut.of(job.error) if job.error else None,
        )


class BoxOut(Reply):
    """A rectangle on a page, in PDF points; the origin is the page's top left corner."""

    page: int
    x0: float
    y0: float
    x1: float
    y1: float

    @classmethod
    def of(cls, box: Box) -> Self:
        """From the room's own data."""
        return cls(page=box.page, x0=box.x0, y0=box.y0, x1=box.x1, y1=box.y1)


class PassageOut(Reply):
    """A piece of a document that was found, and where it is."""

    id: str
    document_id: str
    document_name: str
    version: int
    collection: str
    page: int | None
    start: int
    end: int
    boxes: list[BoxOut]
    heading: str
    text: str
    score: float
    scores: dict[str, float]

    @classmethod
    def of(cls, passage: Passage, boxes: list[Box]) -> Self:
        """From the room's own data."""
        return cls(
            id=str(passage.id),
            document_id=passage.document_id,
            document_name=passage.document_name,
            version=passage.version,
            collection=passage.collection,
            page=passage.page,
            start=passage.start,
            end=passage.end,
            boxes=[BoxOut.of(box) for box in boxes],
            heading=passage.heading,
            text=passage.text,
            score=passage.score,
            scores=dict(passage.scores),
        )


class CollectionPage(Reply):
    """A page of collections."""

    items: list[CollectionOut]
    next_cursor: str | None = None


class DocumentPage(Reply):
    """A page of documents."""

    items: list[DocumentOut]
    next_cursor: str | None = None


class VersionPage(Reply):
    """A page of versions."""

    items: list[VersionOut]
    next_cursor: str | None = None


class JobPage(Reply):
    """A page of jobs."""

    items: list[JobOut]
    next_cursor: str | None = None
