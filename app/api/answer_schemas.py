"""Answers over the wire, as api.md names them. Shapes only."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final, Self

from pydantic import Field, model_validator

from app.answers import StoredAnswer
from app.api.fields import MAX_NUMBER, QuestionText, Reply, Request
from app.api.receipt_schemas import ReceiptOut, VersionNamed
from app.api.schemas import BoxOut, CollectionNames, Filter, PassageOut, Problem
from app.asking import FullAnswer, PassagesFound, PlacedCitation
from app.feedback import GivenFeedback, Rating
from app.outcomes import Status
from app.replaying import CauseKind, Replay
from generation.types import FinishReason

MAX_ANSWER_TOKENS: Final = 4096
Id = Annotated[str, Field(min_length=1, max_length=64)]
PromptName = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}(@[0-9]{1,6})?$")]


class SamplingIn(Request):
    """How the next token is chosen; what is left out keeps the service's default."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=0, le=100_000)
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    max_tokens: int | None = Field(default=None, ge=1, le=MAX_ANSWER_TOKENS)
    n: int | None = Field(
        default=None,
        ge=1,
        le=MAX_NUMBER,
        description="Drafts to sample, of which a reward picks one; the service sets the most.",
        examples=[4],
    )


class HowAnswered(Request):
    """How a question is answered; what is left out is as its collections or the service say."""

    prompt: PromptName | None = None
    top_k: int | None = Field(default=None, ge=1, le=50, examples=[8])
    filter: Filter | None = None
    min_confidence: float | None = Field(default=None, ge=0, le=1)
    likelihood: bool | None = Field(
        default=None,
        description="Whether each sentence says how much less likely it is without its source.",
    )


class AnswerRequest(HowAnswered):
    """A question."""

    question: QuestionText = Field(examples=["How many days of leave are there?"])
    collections: CollectionNames | None = Field(default=None, examples=[["default"]])
    stream: bool = False
    sampling: SamplingIn = SamplingIn()
    conversation_id: Id | None = Field(default=None, description="The conversation it goes on.")
    in_place_of: Id | None = Field(
        default=None,
        description="An answer of the conversation: this one goes on from where that one does.",
    )

    @model_validator(mode="after")
    def _names_the_conversation(self) -> Self:
        if self.in_place_of is not None and self.conversation_id is None:
            raise ValueError("in_place_of needs the conversation_id of that answer")
        return self


class SentenceOut(Reply):
    """A sentence: offsets into `answer`, and the citations it rests on."""

    start: int
    end: int
    support: float
    citations: list[int]
    likelihood_drop: float | None = Field(
        default=None,
        description="Nats by which the model finds it less likely without the span it cites; null "
        "where nobody asked, or it cannot be had.",
    )


class CitationOut(Reply):
    """The exact place in a document; `quote` equals the text's slice from `start` to `end`."""

    n: int
    document_id: str
    document_name: str
    version: int
    page: int | None
    start: int
    end: int
    quote: str
    boxes: list[BoxOut]
    support: float

    @classmethod
    def of(cls, placed: PlacedCitation) -> Self:
        """From the room's own data."""
        citation = placed.citation
        return cls(
            n=citation.n,
            document_id=citation.passage.document_id,
            document_name=citation.passage.document_name,
            version=citation.passage.version,
            page=citation.page,
            start=citation.start,
            end=citation.end,
            quote=citation.quote,
            boxes=[BoxOut.of(box) for box in placed.boxes],
            support=citation.support,
        )


class TimingsOut(Reply):
    """Milliseconds since the question arrived."""

    retrieve_ms: float
    first_token_ms: float | None
    total_ms: float


class UsageOut(Reply):
    """Tokens that went in and came out, those of the reasoning among them."""

    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int = 0


class PassagesEvent(Reply):
    """The data of the event `passages`."""

    id: str
    standalone: str | None = Field(description="What a follow-up was rewritten to.")
    passages: list[PassageOut]

    @classmethod
    def of(cls, found: PassagesFound) -> Self:
        """From the room's own data."""
        return cls(
            id=found.id,
            standalone=found.understood.standalone,
            passages=[PassageOut.of(item.passage, item.boxes) for item in found.passages],
        )


class AnswerOut(Reply):
    """An answer, its evidence, and its receipt."""

    id: str
    status: Status
    answer: str
    sentences: list[SentenceOut]
    finish_reason: FinishReason = Field(
        default="stop",
        description="`length`: `sampling.max_tokens` cut a draft, and what that left of a sentence "
        "is not in the answer.",
    )
    confidence: float
    citations: list[CitationOut]
    passages: list[PassageOut]
    receipt: ReceiptOut
    timings: TimingsOut
    usage: UsageOut
    reasoning: str | None = Field(
        default=None,
        description="What the model wrote before its answer, where the prompt has it reason.",
    )
    error: Problem | None = Field(default=None, description="What ended an answer that failed.")
    conversation_id: str | None = None
    standalone: str | None = Field(
        default=None, description="What a follow-up was rewritten to; null where it stands alone."
    )
    borrowed: list[VersionNamed] = Field(
        default=[], description="Whose words `standalone` may hold, by way of earlier answers."
    )
    withdrawn: list[VersionNamed] = Field(
        default=[],
        description="What was deleted since: its words, and what rested on them, are out.",
    )

    @classmethod
    def of(cls, full: FullAnswer, problem: dict[str, object] | None = None) -> Self:
        """From the room's own data."""
        answer = full.answer
        return cls(
            id=full.id,
            status=full.status,
            answer=answer.text,
            sentences=[
                SentenceOut(
                    start=item.start,
                    end=item.end,
                    support=item.support,
                    citations=list(item.citations),
                    likelihood_drop=item.likelihood_drop,
                )
                for item in answer.sentences
            ],
            finish_reason=answer.finish_reason,
            confidence=answer.confidence,
            citations=[CitationOut.of(item) for item in full.citations],
            passages=[PassageOut.of(item.passage, item.boxes) for item in full.passages],
            receipt=ReceiptOut.of(full.receipt, full.understood),
            timings=TimingsOut(
                retrieve_ms=full.timings.retrieve_ms,
                first_token_ms=full.timings.first_token_ms,
                total_ms=full.timings.total_ms,
            ),
            usage=UsageOut(
                prompt_tokens=answer.usage.prompt_tokens,
                completion_tokens=answer.usage.completion_tokens,
                reasoning_tokens=answer.usage.reasoning_tokens,
            ),
            reasoning=answer.reasoning or None,
            conversation_id=full.place.conversation_id if full.place else None,
            standalone=full.understood.standalone,
            borrowed=[
                VersionNamed(document_id=each, version=number)
                for each, number in sorted(full.understood.borrowed)
            ],
            error=None if problem is None else Problem.model_validate(problem),
        )


class FeedbackIn(Request):
    """What the asker thinks of an answer."""

    rating: Rating
    correction: QuestionText | None = Field(default=None, description="The right answer.")
    comment: QuestionText | None = None
    wrong_citation: int | None = Field(
        default=None,
        ge=1,
        le=MAX_NUMBER,
        description="Number of a citation that does not show its sentence.",
    )


class FeedbackOut(Reply):
    """What was said of an answer last; words that may repeat a deleted document are gone."""

    rating: Rating
    correction: str | None
    comment: str | None
    wrong_citation: int | None
    created_at: datetime

    @classmethod
    def of(cls, given: GivenFeedback) -> Self:
        """From the room's own data."""
        return cls(**asdict(given.opinion), created_at=given.created_at)


class StoredAnswerOut(AnswerOut):
    """An answer that came to its end, and what was asked."""

    question: str
    collections: list[str] | None = Field(description="Those asked about; null for all.")
    created_at: datetime
    finished_at: datetime
    redacted_at: datetime | None
    shared_at: datetime | None = Field(description="Since when others may read it; else null.")
    feedback: FeedbackOut | None = None

    @classmethod
    def of_stored(cls, stored: StoredAnswer, given: GivenFeedback | None = None) -> Self:
        """From the room's own data."""
        return cls.model_validate(
            {
                **stored.response,
                "question": stored.question,
                "collections": stored.collections,
                "created_at": stored.created_at,
                "finished_at": stored.finished_at,
                "redacted_at": stored.redacted_at,
                "shared_at": stored.shared_at,
                "feedback": None if given is None else FeedbackOut.of(given),
            }
        )


class CauseOut(Reply):
    """Something that an answer was made of and that is different now."""

    kind: CauseKind
    detail: str


class ReplayOut(Reply):
    """The same question asked again, beside the stored answer."""

    id: str
    same: bool
    differences: list[str] = Field(description="What of the answer is not equal.")
    causes: list[CauseOut] = Field(description="What has changed of that which it was made of.")
    answer: AnswerOut

    @classmethod
    def of(cls, answer_id: str, replay: Replay) -> Self:
        """From the room's own data."""
        return cls(
            id=answer_id,
            same=replay.is_same,
            differences=list(replay.differences),
            causes=[CauseOut(kind=each.kind, detail=each.detail) for each in replay.causes],
            answer=AnswerOut.model_validate(replay.now),
        )


def encode_answer(full: FullAnswer, problem: dict[str, object] | None = None) -> dict[str, Any]:
    """An answer as it goes over the wire, and as it is kept."""
    return AnswerOut.of(full, problem).model_dump(mode="json")
