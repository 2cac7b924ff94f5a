"""The `Reranker` seam: passages read together with the question. Loads no model itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from core.errors import CimientoError
from core.types import Passage


class RerankerNotSetError(CimientoError):
    """Reranking was asked for, and the settings name nothing that could do it."""

    code = "reranker_not_set"


class RerankerUnusableError(CimientoError):
    """The folder of the reranker holds no cross-encoder that can be loaded; the message says why.

    Where its extra is not installed, the message names it.
    """

    code = "reranker_unusable"


class Reranker(Protocol):
    """Reads a question together with each text that was found. Thread-safe."""

    @property
    def is_set(self) -> bool:
        """Whether searches are reranked unless they say otherwise."""
        ...

    @property
    def found_weight(self) -> float:
        """What the score that a passage was found with counts beside its own; 0 for nothing."""
        ...

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers the question: higher is better, within one call only."""
        ...


class NoReranker:
    """What stands where no reranker is set. Refuses to score."""

    is_set = False
    found_weight = 0.0

    def score(self, question: str, texts: Sequence[str]) -> list[float]:  # noqa: ARG002 - the protocol's
        """Raises `RerankerNotSetError`, which names the setting."""
        raise RerankerNotSetError(
            "this service has no reranker; set CIMIENTO_RETRIEVAL__RERANKER to likelihood or to "
            "the folder of a cross-encoder, or leave rerank out"
        )


NO_RERANKER: Final = NoReranker()


@dataclass(frozen=True, slots=True)
class Reranking:
    """What reads passages once more, and how many of them it is given."""

    reranker: Reranker = NO_RERANKER
    depth: int = 20

    def apply(self, question: str, passages: Sequence[Passage]) -> list[Passage]:
        """The passages by the reranker's score, and by the one they were found with as far as the
        reranker lets it count; together they become theirs. Equals stay in their order.

        A passage is read under its place and the header of its table, as it was when it was
        embedded. Raises `RerankerNotSetError`, and as the reranker does.
        """
        texts = [f"{passage.place}\n{passage.readable}" for passage in passages]
        scores = self.reranker.score(question, texts)
        scored = [
            replace(
                passage,
                score=score + self.reranker.found_weight * passage.score,
                scores={**passage.scores, "rerank": score},
            )
            for passage, score in zip(passages, scores, strict=True)
        ]
        return sorted(scored, key=lambda passage: -passage.score)


NO_RERANKING: Final = Reranking()
