"""The words of a question, weighed by how rare they are among texts. Pure."""

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from generation.words import content_stems


@dataclass(frozen=True, slots=True)
class QuestionWords:
    """The stems of a question's words of meaning, each with its weight: rare ones tell more."""

    weights: Mapping[str, float]

    @classmethod
    def among(cls, question: str, texts: Sequence[AbstractSet[str]]) -> "QuestionWords":
        """Weigh a question's words by how few of the texts, given as their stems, hold them."""
        return cls(
            {
                stem: math.log(1 + len(texts) / (1 + sum(stem in text for text in texts)))
                for stem in set(content_stems(question))
            }
        )

    def share(self, held: AbstractSet[str]) -> float:
        """The share of the weight, 0 to 1, that these stems hold; 0 where there is none."""
        # fsum: a set has no order, and plain sums depend on it
        total = math.fsum(self.weights.values())
        return math.fsum(self.weights[stem] for stem in self.weights.keys() & held) / (total or 1)

    def lacking(self, held: AbstractSet[str]) -> float:
        """The share of the words, unweighed, that these stems lack."""
        return len(self.weights.keys() - held) / max(1, len(self.weights))
