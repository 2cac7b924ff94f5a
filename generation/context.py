"""Fit passages into the model's window. Nothing is cut silently: what does not fit is named."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.types import Passage
from generation.generator import Generator
from generation.language import Language
from generation.prompts import PromptTemplate
from generation.types import Message


@dataclass(frozen=True, slots=True)
class Context:
    """A prompt that fits, the passages it holds, and those it does not."""

    messages: list[Message]
    passages: list[Passage]
    left_out: list[Passage]


@dataclass(frozen=True, slots=True)
class Budget:
    """What the prompt may hold.

    At most `max_passages`, and room for an answer of `max_tokens`, or of half the window where that
    is less.
    """

    max_passages: int
    max_tokens: int


def build_context(
    question: str,
    passages: Sequence[Passage],
    *,
    generator: Generator,
    template: PromptTemplate,
    language: Language,
    budget: Budget,
) -> Context:
    """Keep as many of the best passages as fit; `passages` come best first.

    Raises `QuestionTooLongError` (from the generator, when it is run) where not even the question
    fits: the caller learns both numbers.
    """
    # A caller that asks for a very long answer must not crowd out what it is to be written from.
    room = generator.max_context - min(budget.max_tokens, generator.max_context // 2)
    num_kept = min(len(passages), budget.max_passages)
    messages = template.render(question, passages[:num_kept], language)
    while num_kept > 0 and generator.count_tokens(messages) > room:
        num_kept -= 1
        messages = template.render(question, passages[:num_kept], language)
    return Context(messages, list(passages[:num_kept]), list(passages[num_kept:]))
