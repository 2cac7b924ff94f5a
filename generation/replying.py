"""Have a reader reply: a doubt chooses the passage, and it replies several times from that one.

It can write nothing but words of that passage, so not that there is no answer: how likely it finds
that is asked for apart. Where there is an extractor, its doubt chooses, which costs no prompt, and
what it points at stands beside the replies.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.types import Passage
from generation.evidence import Evidence
from generation.extracting import NO_POINTER, ExtractedSpan, Pointer
from generation.generator import Cancelled, Generator
from generation.ground import choose_ground, passages_of
from generation.reading import readable_texts, reading_sampling
from generation.types import Draft, Message, OnWait, Sampling, ignore_wait


@dataclass(frozen=True, slots=True)
class ReadersQuestion:
    """A question, how it is asked `of` one passage, the reply that there is no answer, and what
    points at words beside the reader.
    """

    text: str
    of: Callable[[Passage], Sequence[Message]]
    refusal: str
    pointer: Pointer = NO_POINTER


@dataclass(frozen=True, slots=True)
class Replies:
    """What a reader replied from one passage, and what was pointed at there, likeliest first.

    no_answer: the chance, by the extractor, that this passage does not answer; None without one.
    """

    drafts: list[Draft]
    pointed: tuple[ExtractedSpan, ...] = ()
    no_answer: float | None = None


def draw_replies(
    generator: Generator,
    question: ReadersQuestion,
    evidence: Sequence[Evidence],
    sampling: Sampling,
    *,
    cancelled: Cancelled,
    on_wait: OnWait = ignore_wait,
) -> Replies:
    """Words of the passage that is doubted least, as the reader says them and the pointer does.

    There must be some evidence, which comes best first. No drafts once `cancelled()` turns true.
    Raises as the generator does.
    """

    def doubt(passage: Passage) -> float:
        (likelihood,) = generator.score(
            question.of(passage), [question.refusal], adapter=sampling.adapter
        )
        return likelihood

    passages = passages_of(evidence)
    pointed = question.pointer.point(question.text, [passage.text for passage in passages])

    def pointed_doubt(passage: Passage) -> float:
        return pointed[passages.index(passage)].no_answer

    ground = choose_ground(evidence, pointed_doubt if pointed else doubt)
    drafts = generator.sample(
        question.of(ground.passage),
        reading_sampling(sampling),
        cancelled=cancelled,
        spans_of=readable_texts(ground.evidence),
        on_wait=on_wait,
    )
    if not pointed:
        return Replies(drafts)
    extraction = pointed[passages.index(ground.passage)]
    return Replies(drafts, extraction.spans, extraction.no_answer)
