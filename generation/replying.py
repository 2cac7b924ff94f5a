"""Have a reader reply: its doubt chooses the passage, and it replies several times from that one.

It can write nothing but words of that passage, so not that there is no answer: how likely it finds
that is asked for apart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.types import Passage
from generation.evidence import Evidence
from generation.generator import Cancelled, Generator
from generation.ground import choose_ground
from generation.reading import readable_texts, reading_sampling
from generation.types import Draft, Message, OnWait, Sampling, ignore_wait


@dataclass(frozen=True, slots=True)
class ReadersQuestion:
    """A question as it is asked `of` one passage, and the reply that there is no answer."""

    of: Callable[[Passage], Sequence[Message]]
    refusal: str


def draw_replies(
    generator: Generator,
    question: ReadersQuestion,
    evidence: Sequence[Evidence],
    sampling: Sampling,
    *,
    cancelled: Cancelled,
    on_wait: OnWait = ignore_wait,
) -> list[Draft]:
    """Words of the passage after which the reader finds its refusal least likely, as it says them.

    There must be some evidence, which comes best first. None at all once `cancelled()` turns true.
    Raises as the generator does.
    """

    def doubt(passage: Passage) -> float:
        (likelihood,) = generator.score(
            question.of(passage), [question.refusal], adapter=sampling.adapter
        )
        return likelihood

    ground = choose_ground(evidence, doubt)
    return generator.sample(
        question.of(ground.passage),
        reading_sampling(sampling),
        cancelled=cancelled,
        spans_of=readable_texts(ground.evidence),
        on_wait=on_wait,
    )
