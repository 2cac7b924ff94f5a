"""What the service answers, typed. Fields that a newer service adds are passed over."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Model(BaseModel):
    """A reply or a part of one."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Box(Model):
    """A rectangle on a page, in PDF points from its top left."""

    page: int
    x0: float
    y0: float
    x1: float
    y1: float


class Passage(Model):
    """A part of a document that fits a question; `text` is its slice from `start` to `end`."""

    id: str
    document_id: str
    document_name: str
    version: int
    collection: str
    page: int | None
    start: int
    end: int
    boxes: tuple[Box, ...] = ()
    heading: str = ""
    text: str
    score: float
    scores: dict[str, float] = Field(default_factory=dict)


class Citation(Model):
    """The exact place that sentences rest on; `quote` equals the text from `start` to `end`."""

    n: int
    document_id: str
    document_name: str
    version: int
    page: int | None
    start: int
    end: int
    quote: str
    boxes: tuple[Box, ...] = ()
    support: float


class Sentence(Model):
    """A sentence of an answer: offsets into its text, and numbers of citations."""

    start: int
    end: int
    support: float
    citations: tuple[int, ...]
    likelihood_drop: float | None = None


class Timings(Model):
    """Milliseconds since the question arrived."""

    retrieve_ms: float
    first_token_ms: float | None
    total_ms: float


class Usage(Model):
    """Tokens that went in and came out."""

    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int = 0


class Answer(Model):
    """An answer with its evidence, or a refusal that says what was found nearest.

    `receipt` is everything that it was made of, as the service has it.
    """

    id: str
    status: Literal["answered", "partial", "refused", "cancelled", "failed"]
    text: str = Field(alias="answer")
    sentences: tuple[Sentence, ...]
    confidence: float
    citations: tuple[Citation, ...]
    passages: tuple[Passage, ...]
    reasoning: str | None = None
    conversation_id: str | None = None
    standalone: str | None = None
    timings: Timings
    usage: Usage
    receipt: dict[str, Any] = Field(repr=False)

    @property
    def is_refused(self) -> bool:
        """Whether the documents do not hold the answer."""
        return self.status == "refused"


class Collection(Model):
    """A collection of documents."""

    id: str
    name: str
    description: str
    language: str | None
    num_documents: int
    created_at: datetime


class Version(Model):
    """One upload of a document."""

    version: int
    state: str
    sha256: str
    bytes: int
    media_type: str
    metadata: dict[str, Any]
    created_at: datetime
    job_id: str


class Label(Model):
    """What a document is labelled as under a name; `chance` is a classifier's, 0 to 1."""

    name: str
    label: str
    by: str
    chance: float | None = None


class Document(Model):
    """A document. `version` is the searchable one, or else the newest; `newest` is the newest."""

    id: str
    name: str
    collection: str
    parent_id: str | None = None
    created_at: datetime
    version: Version
    newest: Version
    labels: tuple[Label, ...] = ()


class Upload(Model):
    """What became of an upload whose bytes are safe."""

    document_id: str
    version: int
    sha256: str
    bytes: int
    media_type: str
    deduplicated: bool
    skipped: bool = False
    job_id: str


class JobError(Model):
    """Why a job failed, and whether a retry can help."""

    code: str
    message: str
    retryable: bool


class Job(Model):
    """The work that makes an upload searchable."""

    id: str
    document_id: str
    version: int
    state: Literal["queued", "running", "searchable", "failed", "cancelled"]
    stage: str | None = None
    done: int = 0
    total: int | None = None
    unit: str | None = None
    eta_s: float | None = None
    attempt: int
    error: JobError | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has not come to its end."""
        return self.state in ("queued", "running")
