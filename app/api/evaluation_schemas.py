"""Evaluation runs over the wire. Shapes only."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import Field, JsonValue, model_validator

from app.api.answer_schemas import PromptName
from app.api.fields import Reply, Request, Title
from app.api.schemas import CollectionNames
from app.evaluation.comparing import Comparison
from app.evaluation.stored import Evaluation, QuestionSource, State
from app.evaluation.summary import EVERYTHING, Summary


class EvaluationRequest(Request):
    """A run to be started: of uploaded questions, of what people judged, or of generated ones."""

    questions: str | None = Field(
        default=None,
        description="The text of an evaluation file: one JSON object a line.",
        examples=['{"question": "When does the pool open?", "answers": ["nine"]}'],
    )
    from_feedback: bool = Field(
        default=False, description="Ask what you judged: corrections, good answers and refusals."
    )
    generate: int | None = Field(
        default=None, ge=1, le=200, description="Write so many questions from the documents."
    )
    name: Title | None = Field(default=None, examples=["after the new chunks"])
    collections: CollectionNames | None = Field(default=None, examples=[["default"]])
    prompt: PromptName | None = None
    top_k: int | None = Field(default=None, ge=1, le=50, examples=[8])
    min_confidence: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        given = (self.questions is not None, self.from_feedback, self.generate is not None)
        if sum(given) != 1:
            raise ValueError("give one of questions, from_feedback and generate")
        return self


class FigureOut(Reply):
    """A measure over the `n` questions that have it, with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


class EvaluationProblem(Reply):
    """Why a run failed."""

    code: str
    message: str


class EvaluationOut(Reply):
    """A run. `done` of `total` questions are written or, from then on, asked."""

    id: str
    name: str | None
    source: QuestionSource
    collections: list[str] | None = Field(description="Null for all that the caller could see.")
    prompt: str = Field(examples=["direct@1"])
    top_k: int | None
    min_confidence: float | None
    state: State
    stage: Literal["writing", "asking"] | None = Field(description="Of a run that is running.")
    done: int
    total: int
    figures: dict[str, FigureOut] | None = Field(description="Of all questions, once it is done.")
    funnel: dict[str, int] | None = Field(description="Where questions ended, once it is done.")
    error: EvaluationProblem | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, run: Evaluation) -> Self:
        """From the room's own data."""
        wanted, summary = run.wanted, run.summary
        is_written = not run.is_writing
        return cls(
            id=run.id,
            name=wanted.name,
            source=wanted.source,
            collections=None if wanted.collections is None else list(wanted.collections),
            prompt=wanted.prompt,
            top_k=wanted.top_k,
            min_confidence=wanted.min_confidence,
            state=run.state,
            stage=None if run.state != "running" else ("asking" if is_written else "writing"),
            done=run.num_asked if is_written else run.num_cases,
            total=run.num_cases if is_written else wanted.num_generated,
            figures=None if summary is None else _figures(summary),
            funnel=None if summary is None else dict(summary.funnel),
            error=None if run.problem is None else EvaluationProblem(**asdict(run.problem)),
            created_at=run.created_at,
            started_at=run.started_at,
            finished_at=run.finished_at,
        )


def _figures(summary: Summary) -> dict[str, FigureOut]:
    figures = summary.groups[EVERYTHING]
    return {name: FigureOut(**asdict(figure)) for name, figure in figures.items()}


class EvaluationPage(Reply):
    """A page of runs."""

    items: list[EvaluationOut]
    next_cursor: str | None = None


class ReportOut(Reply):
    """A report, as `cimiento eval run` writes it."""

    format: int
    manifest: dict[str, JsonValue]
    figures: dict[str, dict[str, FigureOut]] = Field(
        description="By `all`, by language (`lang:en`) and by kind of question (`kind:time`)."
    )
    funnel: dict[str, int]
    curves: dict[str, list[tuple[float, float]]] = Field(
        description="Coverage and risk, by confidence and by retrieval alone; empty without gold."
    )
    costs_ms: dict[str, float]
    tokens_per_s: float | None
    worst: list[int] = Field(description="Lines of the questions that cost most.")
    cases: list[dict[str, Any]]


class DifferenceOut(Reply):
    """What changed over `n` questions that both runs asked; better is positive. `p` is two-sided,
    of a sign-flip test.
    """

    value: float
    low: float
    high: float
    p: float
    n: int


class ComparisonOut(Reply):
    """Two runs, question by question. `losses` are gated measures that got worse beyond chance."""

    before: str
    after: str
    differences: dict[str, DifferenceOut]
    losses: list[str]
    won: list[str]
    lost: list[str]
    num_left_out: int = Field(description="Questions that only one of them has, or withdrawn.")

    @classmethod
    def of(cls, found: Comparison, *, before: str, after: str) -> Self:
        """From the room's own data."""
        return cls(
            before=before,
            after=after,
            differences={
                name: DifferenceOut(**asdict(difference), n=found.num_questions[name])
                for name, difference in found.differences.items()
            },
            losses=found.losses,
            won=list(found.won),
            lost=list(found.lost),
            num_left_out=found.num_left_out,
        )
