"""Prompts over the wire. Shapes only."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from app.activations import Activation
from app.api.answer_schemas import PromptName
from app.api.evaluation_schemas import ComparisonOut
from app.api.fields import QuestionText, Reply, Request
from app.api.receipt_schemas import VersionNamed
from app.api.schemas import CollectionNames, Filter
from app.comparing_prompts import PromptsCompared, Scores
from app.examples import Decision, ExampleState, ReviewedExample
from app.previewing import Preview
from app.prompts import StoredPrompt
from generation.language import Language
from generation.prompts import DEFAULT_PROMPT
from generation.types import Role, Style

# one more than may be read, so that what is too long is told with its limit
Source = Annotated[str, Field(max_length=65_537, description="The template, as YAML.")]


class PromptNew(Request):
    """A template to be kept."""

    source: Source


class PromptOut(Reply):
    """One version of a template."""

    name: str
    version: int
    reference: str = Field(examples=["few_shot@1"])
    description: str
    built_in: bool
    languages: list[Language]
    style: Style | None = Field(description="Goes before the setting; null follows it.")
    examples: Literal["fixed", "similar"] | None = Field(
        description="How the examples that it shows are chosen; null where it shows none."
    )
    max_reasoning_tokens: int = Field(description="0 where the model does not reason first.")
    sha256: str
    created_at: datetime | None

    @classmethod
    def of(cls, stored: StoredPrompt) -> Self:
        """From the room's own data."""
        template = stored.template
        return cls(
            name=template.name,
            version=template.version,
            reference=template.reference,
            description=template.description,
            built_in=stored.is_built_in,
            languages=list(template.texts),
            style=template.style,
            examples=template.few_shot.choose if template.few_shot else None,
            max_reasoning_tokens=template.max_reasoning_tokens,
            sha256=template.sha256,
            created_at=stored.created_at,
        )


class PromptWhole(PromptOut):
    """One version of a template, with its source."""

    source: str

    @classmethod
    def of_whole(cls, stored: StoredPrompt) -> Self:
        """From the room's own data."""
        return cls(**PromptOut.of(stored).model_dump(), source=stored.source)


class PromptPage(Reply):
    """Every template that the caller may see."""

    items: list[PromptOut]
    next_cursor: str | None = None


class PreviewRequest(Request):
    """A prompt to be looked at with a real question: one that is kept, or a source that is not."""

    question: QuestionText
    prompt: PromptName | None = None
    source: Source | None = None
    collections: CollectionNames | None = None
    top_k: int | None = Field(default=None, ge=1, le=50)
    filter: Filter | None = None

    @model_validator(mode="after")
    def _one_prompt(self) -> Self:
        if self.prompt is not None and self.source is not None:
            raise ValueError("give prompt or source, not both")
        return self


class MessageOut(Reply):
    """One message as the model reads it."""

    role: Role
    content: str


class PartTokens(Reply):
    """Tokens of each part; `frame` is what the model's chat template and fixed words add."""

    system: int
    examples: int
    passages: int
    question: int
    frame: int


class PreviewOut(Reply):
    """A prompt as the model would read it, and what it costs."""

    prompt: str
    prompt_sha256: str
    language: Language = Field(description="That of the question.")
    messages: list[MessageOut]
    tokens: PartTokens
    prompt_tokens: int
    answer_tokens: int = Field(description="Most that may be written, reasoning included.")
    window: int = Field(description="Tokens that prompt and answer may have together.")
    fits: bool
    passages: list[str] = Field(description="Chunks in the prompt, the best first.")
    left_out: list[str] = Field(description="Chunks that were found and did not fit.")
    examples: list[str]
    examples_left_out: list[str]

    @classmethod
    def of(cls, preview: Preview) -> Self:
        """From the room's own data."""
        context, costs = preview.context, preview.costs
        return cls(
            prompt=preview.template.reference,
            prompt_sha256=preview.template.sha256,
            language=preview.language,
            messages=[
                MessageOut(role=each.role, content=each.content) for each in context.messages
            ],
            tokens=PartTokens(
                system=costs.system,
                examples=costs.examples,
                passages=costs.passages,
                question=costs.question,
                frame=costs.frame,
            ),
            prompt_tokens=costs.total,
            answer_tokens=preview.answer_tokens,
            window=preview.window,
            fits=preview.fits,
            passages=[str(each.id) for each in context.passages],
            left_out=[str(each.id) for each in context.left_out],
            examples=[each.id for each in context.examples],
            examples_left_out=[each.id for each in context.examples_left_out],
        )


class ScoresOut(ComparisonOut):
    """Two evaluations on the same questions, one of each prompt; by their ids or files."""

    also_changed: list[str] = Field(
        description="What else differs between the two and may explain a difference."
    )

    @classmethod
    def of_scores(cls, scores: Scores) -> Self:
        """From the room's own data."""
        found = ComparisonOut.of(scores.comparison, before=scores.before, after=scores.after)
        return cls(**found.model_dump(), also_changed=list(scores.also_changed))


class PromptsComparedOut(Reply):
    """Two templates beside each other."""

    before: PromptOut
    after: PromptOut
    changes: list[str] = Field(description="Lines of the sources, as a unified diff.")
    scores: ScoresOut | None = Field(
        description="Null where no two evaluations of them have a question in common."
    )

    @classmethod
    def of(cls, found: PromptsCompared) -> Self:
        """From the room's own data."""
        return cls(
            before=PromptOut.of(found.before),
            after=PromptOut.of(found.after),
            changes=list(found.changes),
            scores=None if found.scores is None else ScoresOut.of_scores(found.scores),
        )


class ActivationIn(Request):
    """Which prompt is to answer; null goes back to that of the service."""

    prompt: PromptName | None


class ActivationOut(Reply):
    """A prompt became that of the collection."""

    prompt: str = Field(examples=["few_shot@1"])
    is_default: bool = Field(description="It is that of the service: none was activated.")
    rolled_back: bool
    by: str = Field(
        description="Who did it: a person or a key; empty for the command line, and once they are "
        "gone.",
        examples=["Ana Ruiz"],
    )
    created_at: datetime

    @classmethod
    def of(cls, activation: Activation) -> Self:
        """From the room's own data."""
        return cls(
            prompt=activation.reference or DEFAULT_PROMPT,
            is_default=activation.reference is None,
            rolled_back=activation.is_rollback,
            by=activation.by,
            created_at=activation.created_at,
        )


class ActivePromptOut(Reply):
    """The prompt of a collection."""

    prompt: str
    is_default: bool
    history: list[ActivationOut] = Field(description="The newest, which counts, first.")

    @classmethod
    def of(cls, history: list[Activation]) -> Self:
        """From the room's own data."""
        newest = history[0].reference if history else None
        return cls(
            prompt=newest or DEFAULT_PROMPT,
            is_default=newest is None,
            history=[ActivationOut.of(each) for each in history],
        )


class DecisionIn(Request):
    """What becomes of an example."""

    state: Decision


class ExampleOut(Reply):
    """A judged answer as an example, by the answer's id. A rejected one has no words."""

    id: str
    state: ExampleState
    language: Language | None
    question: str | None
    passage: str | None
    answer: str | None
    sources: list[VersionNamed]

    @classmethod
    def of(cls, example: ReviewedExample) -> Self:
        """From the room's own data."""
        words = example.words
        return cls(
            id=example.id,
            state=example.state,
            language=words.language if words else None,
            question=words.question if words else None,
            passage=words.passage if words else None,
            answer=words.answer if words else None,
            sources=[
                VersionNamed(document_id=each, version=number)
                for each, number in sorted(words.held if words else ())
            ],
        )


class ExamplePage(Reply):
    """A page of examples."""

    items: list[ExampleOut]
    next_cursor: str | None = None
