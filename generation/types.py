"""What generation takes and gives: messages, sampling, answers and their events. Plain data."""

from dataclasses import dataclass, field
from typing import Literal

from core.types import Passage

Role = Literal["system", "user", "assistant"]
AnswerStatus = Literal["answered", "partial", "refused"]
FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a prompt. `content` is plain text: control tokens inside it stay text."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. Temperature 0 is greedy; equal seeds give equal text."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0
    max_tokens: int = 160


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that went in and came out."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Citation:
    """The exact span of a document that a sentence rests on.

    `start` and `end` are character offsets into the version's stored text; `quote` equals that
    slice. `support` (0 to 1) is the lexical support of the best sentence that cites it: how much
    of that sentence's weight in words and word pairs the span holds. It is not entailment.
    """

    n: int
    passage: Passage
    start: int
    end: int
    page: int | None
    quote: str
    support: float


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the answer: offsets into the answer's text, support, and its citations."""

    start: int
    end: int
    support: float
    citations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer. A refusal has a text too: what was searched and what was found nearest."""

    status: AnswerStatus
    text: str
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]
    confidence: float
    prompt: str
    sampling: Sampling
    usage: Usage = field(default_factory=Usage)
    # Passages that did not fit into the model's window; never cut silently.
    left_out: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """More text of the answer, as it is written."""

    text: str


@dataclass(frozen=True, slots=True)
class Cited:
    """A citation that was just established."""

    citation: Citation


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of an answer that was not cancelled. Its text replaces the deltas."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The last event of an answer whose caller went away."""


AnswerEvent = Delta | Cited | Finished | Cancelled
