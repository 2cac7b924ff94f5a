"""Ask every case and judge it: the story of this package. Stores nothing."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from app.evaluation.cases import EvalCase
from app.evaluation.judging import Seen, Stage, holds_gold, is_right, judge_stage, measure
from app.evaluation.library import GoldLibrary
from app.services import Services
from core.access import Access
from core.types import Passage
from generation.answer import AnswerOptions, answer
from generation.evidence import EvidenceRanker
from generation.generator import Generator
from generation.types import Answer, Finished

# As deep as a passage counts as retrieved at all.
_DEPTH: Final = 50
_SHOWN_CHARS: Final = 400


@dataclass(frozen=True, slots=True)
class Asking:
    """How cases are asked: of which documents, with how many passages, under which options."""

    access: Access
    top_k: int
    options: AnswerOptions

    def never_refusing(self) -> "Asking":
        """The same, answering whatever the confidence."""
        return replace(self, options=replace(self.options, min_confidence=0.0))


@dataclass(frozen=True, slots=True)
class Evidence:
    """A passage or citation as it is shown in a report."""

    document: str
    page: int | None
    text: str
    score: float
    holds_gold: bool


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What became of one case, with its evidence."""

    case: EvalCase
    stage: Stage
    status: str
    text: str
    confidence: float
    is_right: bool
    retrieval_score: float
    measures: dict[str, float]
    retrieve_ms: float
    total_ms: float
    read: tuple[Evidence, ...]
    citations: tuple[Evidence, ...]


def run_cases(services: Services, cases: Sequence[EvalCase], asking: Asking) -> list[CaseResult]:
    """Ask every case, in order. Raises what asking raises."""
    library = GoldLibrary(services.database, asking.access)
    return [_run(services, case, asking, library) for case in cases]


def _run(services: Services, case: EvalCase, asking: Asking, library: GoldLibrary) -> CaseResult:
    began_s = time.perf_counter()
    ranked = services.retriever.retrieve(case.question, access=asking.access, top_k=asking.top_k)
    retrieved_s = time.perf_counter()
    full = answer_case(
        case.question,
        ranked,
        asking.options,
        generator=services.generator,
        ranker=services.ranker,
    )
    ended_s = time.perf_counter()
    read = ranked[: asking.options.max_passages]
    # looked for only now, and only where it matters: the time above is what people wait
    found = _look_deeper(services, case, asking, ranked)
    seen = Seen(found, ranked, read, full)
    return CaseResult(
        case=case,
        stage=judge_stage(case, seen, library.lost),
        status=full.status,
        text=full.text,
        confidence=full.confidence,
        is_right=is_right(case, full),
        retrieval_score=ranked[0].score if ranked else 0.0,
        measures=measure(case, seen),
        retrieve_ms=1000 * (retrieved_s - began_s),
        total_ms=1000 * (ended_s - began_s),
        read=tuple(_show(passage, passage.text, case) for passage in read),
        citations=tuple(_show(item.passage, item.quote, case) for item in full.citations),
    )


def answer_case(
    question: str,
    passages: Sequence[Passage],
    options: AnswerOptions,
    *,
    generator: Generator,
    ranker: EvidenceRanker,
) -> Answer:
    """The finished answer from these passages."""
    events = answer(
        question,
        passages,
        generator=generator,
        ranker=ranker,
        options=options,
        cancelled=lambda: False,
    )
    (full,) = [event.answer for event in events if isinstance(event, Finished)]
    return full


def _look_deeper(
    services: Services, case: EvalCase, asking: Asking, ranked: Sequence[Passage]
) -> Sequence[Passage]:
    if any(holds_gold(passage, case) for passage in ranked):
        return ranked
    return services.retriever.retrieve(case.question, access=asking.access, top_k=_DEPTH)


def _show(passage: Passage, text: str, case: EvalCase) -> Evidence:
    shown = " ".join(text.split())
    return Evidence(
        document=passage.document_name,
        page=passage.page,
        text=shown if len(shown) <= _SHOWN_CHARS else shown[: _SHOWN_CHARS - 1] + "…",
        score=passage.score,
        holds_gold=case.has_gold and holds_gold(replace(passage, text=text), case),
    )
