"""Many results as figures with intervals, by language and by kind of question. Pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.evaluation.judging import Stage
from app.evaluation.results import CaseResult
from core.statistics import Floats, Interval, Rows, bootstrap, mean_interval
from generation.calibrating import Booleans, risk_coverage

SEED: Final = 20_261_127
EVERYTHING: Final = "all"
# A curve is drawn anew for each.
_NUM_OF_CURVES: Final = 500
# Of single cases, in the order of a report.
MEASURES: Final[dict[str, str]] = {
    "right": "holds the answer",
    "score": "+1 right, 0 refused, -1 wrong",
    "exact_match": "is the answer (exact match)",
    "f1": "words shared with the answer (F1)",
    "recall_1": "gold passage first",
    "recall_5": "gold passage among five",
    "recall_20": "gold passage among twenty",
    "reciprocal_rank": "reciprocal rank of the gold passage (MRR@10)",
    "ndcg_10": "place of the gold passage (nDCG@10)",
    "gold_read": "gold passage read",
    "sentences_cited": "sentences with a citation",
    "citations_valid": "citations of what was read",
    "exact_quotes": "quotes that are in the source to the letter",
    "lexical_support": "lexical support of cited sentences",
    "gold_document_precision": "citations of a gold document (precision)",
    "gold_document_recall": "gold documents that are cited (recall)",
    "same_language": "answer in the language of the question",
    "false_refusal": "refused although the gold was read",
    "refused_rightly": "refused what has no answer",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A measure over the cases that have it, with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in figures. `groups` is `all`, then `lang:en` and the like, then `kind:time`."""

    groups: Mapping[str, Mapping[str, Figure]]
    funnel: Mapping[str, int]
    costs_ms: Mapping[str, float]
    tokens_per_s: float | None
    # points of the curve of risk, by confidence and by retrieval score alone; empty without gold
    curves: Mapping[str, Sequence[tuple[float, float]]]


def summarise(results: Sequence[CaseResult]) -> Summary:
    """What was withdrawn counts only among the ends. There must be one result at least."""
    counted = Counter(result.stage for result in results)
    left = [result for result in results if not result.is_withdrawn]
    groups: defaultdict[str, list[CaseResult]] = defaultdict(list)
    groups[EVERYTHING] = left
    for result in left:
        groups[f"lang:{result.case.language}"].append(result)
        groups[f"kind:{result.case.kind}"].append(result)
    return Summary(
        groups={name: _figures(members) for name, members in groups.items()},
        funnel={stage.value: counted[stage] for stage in Stage},
        costs_ms=_costs(left),
        tokens_per_s=_speed(left),
        curves=_curves(left),
    )


def _figures(results: Sequence[CaseResult]) -> dict[str, Figure]:
    figures = {}
    for name in MEASURES:
        values = [item.measures[name] for item in results if name in item.measures]
        if values:
            figures[name] = _figure(mean_interval(values, seed=SEED), len(values))
    judged = [item for item in results if item.case.can_be_judged]
    return figures | _refusals(judged) | _risk(judged)


def _refusals(judged: Sequence[CaseResult]) -> dict[str, Figure]:
    """Precision, recall and F1 of refusals, where some questions have no answer."""
    refused = np.array([item.status == "refused" for item in judged], dtype=bool)
    should = np.array([not item.case.is_answerable for item in judged], dtype=bool)
    if not should.any():
        return {}
    hits = refused & should
    # of a refusal, and of what should be refused; F1 is of both
    parts = {
        "refusal_precision": refused.astype(float),
        "refusal_recall": should.astype(float),
        "refusal_f1": (refused.astype(float) + should.astype(float)) / 2,
    }
    figures = {}
    for name, part in parts.items():

        def share(picked: Rows, part: Floats = part) -> float:
            return float(hits[picked].sum() / max(1.0, part[picked].sum()))

        figures[name] = _figure(bootstrap(share, _apart(judged), seed=SEED), len(judged))
    return figures


def _risk(judged: Sequence[CaseResult]) -> dict[str, Figure]:
    """The area below the curve of risk by confidence."""
    if not judged:
        return {}
    confidence, right = np.array([item.confidence for item in judged]), _right(judged)

    def area(picked: Rows) -> float:
        return risk_coverage(confidence[picked], right[picked]).area

    found = bootstrap(area, _apart(judged), seed=SEED, num_resamples=_NUM_OF_CURVES)
    return {"risk_area": _figure(found, len(judged))}


def _apart(results: Sequence[CaseResult]) -> list[str]:
    """Every one a group of its own."""
    return [str(number) for number in range(len(results))]


def _figure(interval: Interval, n: int) -> Figure:
    return Figure(interval.value, interval.low, interval.high, n)


def _right(judged: Sequence[CaseResult]) -> Booleans:
    """A refused answer is judged as it would have been: not right."""
    return np.array([item.is_right and item.case.is_answerable for item in judged], dtype=bool)


def _costs(results: Sequence[CaseResult]) -> dict[str, float]:
    stages = {
        "retrieve": [item.retrieve_ms for item in results],
        "first_text": [item.first_text_ms for item in results if item.first_text_ms is not None],
        "total": [item.total_ms for item in results],
    }
    return {
        f"{name}_p{percent}": round(float(np.percentile(values, percent)), 1)
        for name, values in stages.items()
        if values
        for percent in (50, 95)
    }


def _speed(results: Sequence[CaseResult]) -> float | None:
    """Tokens a second from the first one on, where any were written."""
    written = [item for item in results if item.first_text_ms is not None]
    seconds = sum(item.total_ms - (item.first_text_ms or 0.0) for item in written) / 1000
    num_tokens = sum(max(0, item.num_tokens - 1) for item in written)
    # a quote is handed over in one piece, and takes no tokens one by one
    return round(num_tokens / seconds, 1) if num_tokens and seconds > 0 else None


def _curves(results: Sequence[CaseResult]) -> dict[str, list[tuple[float, float]]]:
    """Risk for each coverage."""
    judged = [item for item in results if item.case.can_be_judged]
    if not judged:
        return {}
    scores = {
        "confidence": [item.confidence for item in judged],
        "retrieval score": [item.retrieval_score for item in judged],
    }
    right = _right(judged)
    return {name: risk_coverage(np.array(each), right).points for name, each in scores.items()}
