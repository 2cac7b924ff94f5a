"""Of several passages, choose the one that a reader is to answer from. Pure.

Other passages mislead a small reader: it takes words of theirs although it knows, of each passage
read alone, whether that one answers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.types import Passage
from generation.evidence import Evidence

Doubt = Callable[[Passage], float]
"""How likely it is held, of a passage read alone, that it does not answer."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A passage, and its sentences, best first."""

    passage: Passage
    evidence: list[Evidence]


def choose_ground(evidence: Sequence[Evidence], doubt: Doubt) -> Ground:
    """The passage that is doubted least, the best-ranked of equals; a single one is not doubted.

    There must be some evidence, which comes best first. A sentence that several passages hold is
    of each of them.
    """
    passages = passages_of(evidence)
    chosen = min(passages, key=doubt) if len(passages) > 1 else passages[0]
    return evidence_in(evidence, chosen)


def evidence_in(evidence: Sequence[Evidence], passage: Passage) -> Ground:
    """A passage with those of the sentences that it holds."""
    return Ground(passage, [item for item in evidence if _is_in(item, passage)])


def passages_of(evidence: Sequence[Evidence]) -> list[Passage]:
    """The passages that the evidence is from, each once, the best-ranked first."""
    passages: list[Passage] = []
    for item in evidence:
        if item.passage not in passages:
            passages.append(item.passage)
    return passages


def _is_in(item: Evidence, passage: Passage) -> bool:
    is_of_version = item.passage.version_id == passage.version_id
    return is_of_version and passage.start <= item.start and item.end <= passage.end
