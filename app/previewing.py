"""What a prompt would come to for a question: the messages, and what each part costs.

Searches as an answer does, with real passages. Writes nothing and stores nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.services import Services
from core.access import Access
from core.types import Passage
from generation.answer import AnswerOptions
from generation.context import Budget, Context, build_context
from generation.generator import Generator
from generation.language import Language, question_language
from generation.prompts import PromptTemplate
from generation.types import Example, Message


@dataclass(frozen=True, slots=True)
class PartCosts:
    """Tokens of each part. `frame` is what the model's chat template and the user's part add."""

    system: int
    examples: int
    passages: int
    question: int
    frame: int

    @property
    def total(self) -> int:
        """Tokens of the whole prompt."""
        return self.system + self.examples + self.passages + self.question + self.frame


@dataclass(frozen=True, slots=True)
class Preview:
    """A prompt as the model would read it. `window` and `answer_tokens` are in tokens too."""

    template: PromptTemplate
    language: Language
    context: Context
    costs: PartCosts
    window: int
    answer_tokens: int

    @property
    def fits(self) -> bool:
        """Whether the model can be asked at all."""
        return self.costs.total < self.window


@dataclass(frozen=True, slots=True)
class Previewed:
    """What is asked, of which documents."""

    question: str
    access: Access
    top_k: int
    where: object = None


def preview(services: Services, asked: Previewed, options: AnswerOptions) -> Preview:
    """Build the prompt of a question. Raises as searching does."""
    template = options.prompt
    passages = services.retriever.retrieve(
        asked.question, access=asked.access, top_k=asked.top_k, where=asked.where
    )
    examples = services.example_chooser.choose(template, asked.question, asked.access)
    num_tokens = options.sampling.max_tokens + template.max_reasoning_tokens
    context = build_context(
        asked.question,
        passages,
        generator=services.generator,
        template=template,
        budget=Budget(options.max_passages, num_tokens),
        examples=examples,
    )
    return Preview(
        template=template,
        language=question_language(asked.question),
        context=context,
        costs=_costs(services.generator, template, asked.question, context),
        window=services.generator.max_context,
        answer_tokens=num_tokens,
    )


def _costs(
    generator: Generator, template: PromptTemplate, question: str, context: Context
) -> PartCosts:
    """Each part costs what the prompt is longer by with it."""
    language = question_language(question)

    def count(
        asked: str, passages: Sequence[Passage] = (), examples: Sequence[Example] = ()
    ) -> int:
        return generator.count_tokens(template.render(asked, passages, language, examples=examples))

    alone = count(question)
    bare = count("")
    # not without the message: many chat templates then put one of their own there
    speechless = generator.count_tokens(_without_system(template.render("", [], language)))
    with_examples = count(question, examples=context.examples)
    return PartCosts(
        system=bare - speechless,
        examples=with_examples - alone,
        passages=generator.count_tokens(context.messages) - with_examples,
        question=alone - bare,
        frame=speechless,
    )


def _without_system(messages: Sequence[Message]) -> list[Message]:
    return [replace(each, content="") if each.role == "system" else each for each in messages]
