"""Ask every case and judge it: the story of this package. Stores nothing."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from app.evaluation.cases import EvalCase
from app.evaluation.judging import Seen, holds_gold, is_right, judge_stage, measure
from app.evaluation.library import GoldLibrary
from app.evaluation.results import CaseResult, Evidence
from app.services import Services
from core.access import Access
from core.redaction import Source
from core.types import Passage
from generation.answer import AnswerOptions, answer
from generation.evidence import EvidenceRanker
from generation.generator import Generator
from generation.types import Answer, AnswerEvent, Cancelled, Delta, Finished

# As deep as a passage counts as retrieved at all.
_DEPTH: Final = 50
_SHOWN_CHARS: Final = 400

IsCancelled = Callable[[], bool]


class InterruptedCaseError(Exception):
    """The case was cancelled before its answer was whole: there is nothing to judge."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How cases are asked: of which documents, with how many passages, under which options."""

    access: Access
    top_k: int
    options: AnswerOptions

    def never_refusing(self) -> "Asking":
        """The same, answering whatever the confidence."""
        return replace(self, options=replace(self.options, min_confidence=0.0))


def run_cases(
    services: Services,
    cases: Sequence[EvalCase],
    asking: Asking,
    *,
    on_asked: Callable[[int], None] = lambda _count: None,
) -> list[CaseResult]:
    """Ask every case, in order; `on_asked` is told how many were. Raises what asking raises."""
    library = GoldLibrary(services.database, asking.access)
    results = []
    for case in cases:
        results.append(run_case(services, case, asking, library))
        on_asked(len(results))
    return results


def run_case(
    services: Services,
    case: EvalCase,
    asking: Asking,
    library: GoldLibrary,
    cancelled: IsCancelled = lambda: False,
) -> CaseResult:
    """Ask one case and judge it. Raises what asking raises, and `InterruptedCaseError`."""
    began_s = time.perf_counter()
    ranked = services.retriever.retrieve(case.question, access=asking.access, top_k=asking.top_k)
    retrieved_s = time.perf_counter()
    events = answer(
        case.question,
        ranked,
        generator=services.generator,
        ranker=services.ranker,
        options=with_examples(services, case, asking),
        cancelled=cancelled,
    )
    full, first_text_s = _finish(events)
    ended_s = time.perf_counter()
    read = ranked[: asking.options.max_passages]
    # looked for only now, and only where it matters: the time above is what people wait
    found = _look_deeper(services, case, asking, ranked)
    seen = Seen(found, ranked, read, full)
    of_gold = _find_gold(case, found, library)
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
        first_text_ms=None if first_text_s is None else 1000 * (first_text_s - began_s),
        total_ms=1000 * (ended_s - began_s),
        num_tokens=full.usage.completion_tokens,
        read=tuple(_show(passage, passage.text, case) for passage in read),
        citations=tuple(_show(item.passage, item.quote, case) for item in full.citations),
        # all that was ranked: a refusal names more documents than it read
        sources=tuple(sorted(of_gold | set(map(_source, ranked)) | _shown(full))),
        gold_is_found=bool(of_gold),
        num_prompt_tokens=full.usage.prompt_tokens,
    )


def with_examples(services: Services, case: EvalCase, asking: Asking) -> AnswerOptions:
    """The options with the examples that the prompt shows, but none that answers this question."""
    examples = services.example_chooser.choose(
        asking.options.prompt, case.question, asking.access, other_than=case.question
    )
    return replace(asking.options, examples=examples)


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
    return _finish(events)[0]


def _finish(events: Iterator[AnswerEvent]) -> tuple[Answer, float | None]:
    """The finished answer, and when the first of its words came."""
    first_text_s: float | None = None
    for event in events:
        match event:
            case Delta():
                first_text_s = first_text_s or time.perf_counter()
            case Finished(full):
                return full, first_text_s
            case Cancelled():
                break
    raise InterruptedCaseError


def _look_deeper(
    services: Services, case: EvalCase, asking: Asking, ranked: Sequence[Passage]
) -> Sequence[Passage]:
    if any(holds_gold(passage, case) for passage in ranked):
        return ranked
    return services.retriever.retrieve(case.question, access=asking.access, top_k=_DEPTH)


def _find_gold(case: EvalCase, found: Sequence[Passage], library: GoldLibrary) -> set[Source]:
    if not case.has_gold:
        return set()
    sources = {_source(item) for item in found if holds_gold(item, case)}
    return sources or library.holding(case)


def _shown(full: Answer) -> set[Source]:
    """Whose words the model was shown as examples, besides those of the passages."""
    sources = (source for example in full.examples for source in example.sources)
    return {(each.document_id, each.version) for each in sources}


def _source(passage: Passage) -> Source:
    return passage.document_id, passage.version


def _show(passage: Passage, text: str, case: EvalCase) -> Evidence:
    shown = " ".join(text.split())
    return Evidence(
        document_id=passage.document_id,
        version=passage.version,
        document=passage.document_name,
        page=passage.page,
        text=shown if len(shown) <= _SHOWN_CHARS else shown[: _SHOWN_CHARS - 1] + "…",
        score=passage.score,
        holds_gold=case.has_gold and holds_gold(replace(passage, text=text), case),
    )
