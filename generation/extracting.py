"""What an extractor says of passages: which of their words answer a question, or that none do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol


@dataclass(frozen=True, slots=True)
class ExtractedSpan:
    """Whole words of a passage, where they stand, and the chance that they answer."""

    text: str
    start: int
    end: int
    probability: float


@dataclass(frozen=True, slots=True)
class Extraction:
    """What is pointed at in one passage, likeliest first, and the chance that nothing answers."""

    spans: tuple[ExtractedSpan, ...]
    no_answer: float


class Pointer(Protocol):
    """Points at words of passages; may be asked by many threads."""

    @property
    def name(self) -> str:
        """What receipts call it; empty for one that points at nothing."""
        ...

    def point(self, question: str, passages: Sequence[str]) -> list[Extraction]:
        """What answers the question in each passage; none at all from one that cannot tell."""
        ...


class _NoPointer:
    """Knows nothing: whoever asks goes by other signs."""

    name = ""

    def point(self, question: str, passages: Sequence[str]) -> list[Extraction]:  # noqa: ARG002  # a `Pointer`
        return []


NO_POINTER: Final[Pointer] = _NoPointer()
