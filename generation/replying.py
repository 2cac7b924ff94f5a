"""Have a reader reply: a doubt chooses the passage, and from that one it replies several times.

It can write nothing but words of that passage, so not that there is no answer: how likely it finds
that is asked for apart. Beside an extractor it writes nothing at all: the extractor's doubt chooses
the passage, and the reader says of each text that is pointed at how likely it would write it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from core.types import Passage
from generation.agreeing import count_replies, find_likeliest, join_opinions
from generation.evidence import Evidence
from generation.extracting import NO_POINTER, ExtractedSpan, Pointer
from generation.generator import Cancelled, Generator
from generation.ground import Doubt, choose_ground, evidence_in, passages_of
from generation.reading import readable_texts, reading_sampling
from generation.spans import find_span
from generation.types import Message, OnWait, Sampling, ignore_wait


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
    """What may be replied from one passage: each text, with how much speaks for it.

    likeliest: the one that says most of a reader's doubt; empty where there is none. num_tokens:
    how many were written. no_answer: the chance, by an extractor, that this passage does not
    answer; None without one.
    """

    chances: Mapping[str, float]
    likeliest: str
    num_tokens: int = 0
    no_answer: float | None = None


def find_replies(
    generator: Generator,
    question: ReadersQuestion,
    evidence: Sequence[Evidence],
    sampling: Sampling,
    *,
    cancelled: Cancelled,
    on_wait: OnWait = ignore_wait,
) -> Replies:
    """Words of the passage that is doubted least, and how much speaks for them.

    There must be some evidence, which comes best first. Nothing is written once `cancelled()` turns
    true. Raises as the generator does.
    """
    passages = passages_of(evidence)
    pointed = question.pointer.point(question.text, [passage.text for passage in passages])
    no_answer: float | None = None
    if pointed:
        found = min(pointed, key=lambda extraction: extraction.no_answer)
        ground = evidence_in(evidence, passages[pointed.index(found)])
        no_answer = found.no_answer
        spans = _readable(found.spans, ground.evidence)
        if spans:
            likelihoods = generator.score(
                question.of(ground.passage), list(spans), adapter=sampling.adapter
            )
            chances = join_opinions(spans, likelihoods)
            return Replies(chances, max(chances, key=chances.__getitem__), 0, no_answer)
    else:
        ground = choose_ground(evidence, _doubt_of(generator, question, sampling))
    drafts = generator.sample(
        question.of(ground.passage),
        reading_sampling(sampling),
        cancelled=cancelled,
        spans_of=readable_texts(ground.evidence),
        on_wait=on_wait,
    )
    num_tokens = sum(draft.num_tokens for draft in drafts)
    return Replies(count_replies(drafts), find_likeliest(drafts), num_tokens, no_answer)


def _doubt_of(generator: Generator, question: ReadersQuestion, sampling: Sampling) -> Doubt:
    """How likely the reader finds that a passage does not answer."""

    def doubt(passage: Passage) -> float:
        (likelihood,) = generator.score(
            question.of(passage), [question.refusal], adapter=sampling.adapter
        )
        return likelihood

    return doubt


def _readable(spans: Sequence[ExtractedSpan], evidence: Sequence[Evidence]) -> dict[str, float]:
    """The chance of each text that stands in one sentence, as it is shown there."""
    sentences = readable_texts(evidence)
    chances: dict[str, float] = {}
    for span in spans:
        shown = (find_span(span.text, sentence) for sentence in sentences)
        text = next(filter(None, shown), None)
        if text is not None:
            chances[text] = chances.get(text, 0.0) + span.probability
    return chances
