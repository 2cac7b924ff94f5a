"""Fit passages into the model's window. Nothing is cut silently: what does not fit is named."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.types import Passage
from generation.generator import Generator
from generation.language import question_language
from generation.prompts import PromptTemplate
from generation.types import Example, Message


@dataclass(frozen=True, slots=True)
class Context:
    """A prompt that fits, the passages and examples it holds, and those it does not."""

    messages: list[Message]
    passages: list[Passage]
    left_out: list[Passage]
    examples: list[Example]
    examples_left_out: list[Example]


@dataclass(frozen=True, slots=True)
class Budget:
    """What the prompt may hold.

    At most `max_passages`, and room for an answer of `max_tokens`, or of half the window where that
    is less.
    """

    max_passages: int
    max_tokens: int

    def room(self, generator: Generator) -> int:
        """Tokens that the prompt may have."""
        # A caller that asks for a very long answer must not crowd out what it is written from.
        return generator.max_context - min(self.max_tokens, generator.max_context // 2)


def build_context(
    question: str,
    passages: Sequence[Passage],
    *,
    generator: Generator,
    template: PromptTemplate,
    budget: Budget,
    examples: Sequence[Example] = (),
) -> Context:
    """Keep as many of the best passages as fit; `passages` come best first.

    Examples, which come best last, give way before passages do: they say how to answer, not what.
    Raises `QuestionTooLongError` (from the generator, when it is run) where not even the question
    fits: the caller learns both numbers.
    """
    language = question_language(question)
    room = budget.room(generator)
    num_passages = min(len(passages), budget.max_passages)
    num_dropped = 0
    while True:
        messages = template.render(
            question, passages[:num_passages], language, examples=examples[num_dropped:]
        )
        is_bare = num_passages == 0 and num_dropped == len(examples)
        if is_bare or generator.count_tokens(messages) <= room:
            break
        if num_dropped < len(examples):
            num_dropped += 1
        else:
            num_passages -= 1
    return Context(
        messages,
        passages=list(passages[:num_passages]),
        left_out=list(passages[num_passages:]),
        examples=list(examples[num_dropped:]),
        examples_left_out=list(examples[:num_dropped]),
    )
