"""What generation takes and gives: messages, sampling, answers and their events. Plain data."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from core.ids import VersionId
from core.types import Passage

Role = Literal["system", "user", "assistant"]
AnswerStatus = Literal["answered", "partial", "refused"]
FinishReason = Literal["stop", "length"]
"""What ended a text: the model or its caller, or the limit of tokens."""
Pieces = Generator[str, None, FinishReason]
"""A text as it is written; returns what ended it."""
OnWait = Callable[[int | None], None]
"""Is told how many requests wait before one's own, and None when its turn has come."""
Style = Literal["draft", "quote", "read"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a prompt. `content` is plain text: control tokens inside it stay text."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a text is written, token by token. Temperature 0 is greedy; equal seeds give equal text.

    `n`: how many texts are sampled, for one of them to be chosen. `adapter`: SHA-256 of the one
    that the model computes with; empty for none.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0
    max_tokens: int = 160
    n: int = 1
    adapter: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """One of several texts that were sampled after one prompt.

    `log_likelihood` (nats) is that of its tokens together, by the model itself, whatever the
    temperature; None where a server does not say. `is_cut`: a limit ended it, not the model.
    """

    text: str
    num_tokens: int
    log_likelihood: float | None
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class ExampleSource:
    """A version of a document whose words an example holds."""

    document_id: str
    version: int
    version_id: VersionId


@dataclass(frozen=True, slots=True)
class Example:
    """A question that was answered well, shown to the model before the one that is asked.

    `id`: its number in its template, or the answer that it was made from. `source` names where
    `passage` stands. `sources` are empty for examples that somebody wrote into a template.
    """

    id: str
    question: str
    passage: str
    answer: str
    source: str = ""
    reasoning: str = ""
    sources: tuple[ExampleSource, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that went in and came out; `reasoning_tokens` are among those that came out."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.prompt_tokens + self.completion_tokens


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
    """A sentence of the answer: offsets into the answer's text, support, and its citations.

    `likelihood_drop` (nats): how much less likely the model finds it without the span that it
    cites; None where nobody asked.
    """

    start: int
    end: int
    support: float
    citations: tuple[int, ...]
    likelihood_drop: float | None = None


@dataclass(frozen=True, slots=True)
class RewardedSample:
    """What a reward said of one draft, and the parts that it weighed.

    `stands`: whether the passages support any of it, so that it could be shown.
    """

    reward: float
    parts: Mapping[str, float]
    num_tokens: int
    stands: bool


@dataclass(frozen=True, slots=True)
class Samples:
    """The drafts that one answer was chosen from, by number, and the reward's name.

    `winner` is None where the best evidence was quoted: no draft stands, or none was judged better
    than the `quote`.
    """

    reward: str
    winner: int | None
    each: tuple[RewardedSample, ...]
    quote: RewardedSample


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
    # "length": the limit cut a draft, and what it left of a sentence is not shown.
    finish_reason: FinishReason = "stop"
    # Passages that did not fit into the model's window; never cut silently.
    left_out: tuple[Passage, ...] = ()
    # None where only one text was written.
    samples: Samples | None = None
    # What the model wrote before its answer: never part of `text`, and never checked.
    reasoning: str = ""
    # Those in the prompt, and those that did not fit.
    examples: tuple[Example, ...] = ()
    examples_left_out: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """More text of the answer, as it is written."""

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """More of what the model writes before its answer, where the prompt has it reason."""

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


AnswerEvent = Reasoning | Delta | Cited | Finished | Cancelled


def ignore_wait(num_before: int | None) -> None:
    """Nobody wants to know how long the queue is."""
