"""What became of one case, with its evidence. Plain data."""

from dataclasses import dataclass

from app.evaluation.cases import EvalCase
from app.evaluation.judging import Stage
from core.redaction import Source


@dataclass(frozen=True, slots=True)
class Evidence:
    """A passage or citation as it is shown in a report."""

    document_id: str
    version: int
    document: str
    page: int | None
    text: str
    score: float
    holds_gold: bool


@dataclass(frozen=True, slots=True)
class CaseResult:
    """A case that was asked and judged.

    `sources` are the versions that this holds words of; `gold_is_found`: one of them is known to
    hold the gold. `first_text_ms` is None where nothing was written. `num_tokens` were written,
    `num_prompt_tokens` read for it. `is_withdrawn`: its words were taken out, because their
    document was deleted.
    """

    case: EvalCase
    stage: Stage
    status: str
    text: str
    confidence: float
    is_right: bool
    retrieval_score: float
    measures: dict[str, float]
    retrieve_ms: float
    first_text_ms: float | None
    total_ms: float
    num_tokens: int
    read: tuple[Evidence, ...]
    citations: tuple[Evidence, ...]
    sources: tuple[Source, ...] = ()
    gold_is_found: bool = False
    is_withdrawn: bool = False
    num_prompt_tokens: int = 0
