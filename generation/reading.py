"""What a model that was trained to read replies: words of the passages, or that they do not answer.

The words of the refusal were chosen so that hardly any answer begins like them: the first token
decides, and its likelihood can be asked for before anything is written. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from generation.evidence import Evidence
from generation.language import Language
from generation.quoting import as_read, choose_quotes, quotation
from generation.spans import find_span, without_marks
from generation.types import Sampling
from generation.words import fold

REFUSALS: Final[Mapping[Language, str]] = MappingProxyType(
    {"en": "Not in the passages.", "es": "No está en los pasajes."}
)
MAX_REPLY_TOKENS: Final = 48
# how often a reader replies, for `choose_reply` to choose; sixteen gain nothing more
_NUM_REPLIES: Final = 8
_FOLDED: Final = tuple(fold(text).rstrip(".") for text in REFUSALS.values())
# A reply that is most of its sentence says nothing shorter.
_MOST: Final = 0.7


@dataclass(frozen=True, slots=True)
class Found:
    """Where a reply stands: its text to show, and all evidence, what it stands in first."""

    text: str
    evidence: list[Evidence]


def is_refusal(text: str) -> bool:
    """Whether a text says, as the reader was taught to, that the passages do not answer."""
    return fold(" ".join(text.split())).startswith(_FOLDED)


def reading_sampling(sampling: Sampling) -> Sampling:
    """How a reader replies: as often as its likelihoods say, with the seed and adapter given."""
    return replace(
        sampling,
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        max_tokens=MAX_REPLY_TOKENS,
        n=_NUM_REPLIES,
    )


def readable_texts(evidence: Sequence[Evidence]) -> list[str]:
    """The sentences as they are shown: a reply is words of one of them."""
    return [as_read(item.text) for item in evidence]


def find_reply(reply: str, evidence: Sequence[Evidence]) -> Found | None:
    """The reply in the words of its source, above the sentence that it stands in.

    A second sentence is quoted where the ranking thinks as highly of it. None where no evidence,
    which comes best first, holds the reply to the letter, but for case and accents.
    """
    words = without_marks(reply)
    for number, item in enumerate(evidence):
        sentence = as_read(item.text)
        span = find_span(words, sentence)
        if span is not None:
            ordered = [item, *evidence[:number], *evidence[number + 1 :]]
            quote = quotation(choose_quotes(ordered))
            is_short = len(span) < _MOST * len(sentence)
            return Found(f"{span}\n{quote}" if is_short else quote, ordered)
    return None
