"""Many results as figures with intervals, by language and by kind of question. Pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.evaluation.judging import Stage
from app.evaluation.running import CaseResult
from app.evaluation.statistics import Floats, Rows, bootstrap, mean_interval
from generation.calibrating import risk_coverage

SEED: Final = 20_261_127
EVERYTHING: Final = "all"
# In the order of a report. Of the others, which a case may lack, there is none.
MEASURES: Final[dict[str, str]] = {
    "right": "holds the answer",
    "score": "+1 right, 0 refused, -1 wrong",
    "f1": "words shared with the answer (F1)",
    "recall_1": "gold passage first",
    "recall_5": "gold passage among five",
    "reciprocal_rank": "reciprocal rank of the gold passage",
    "gold_read": "gold passage read",
    "sentences_cited": "sentences with a citation",
    "lexical_support": "lexical support of cited sentences",
    "gold_document_precision": "citations of a gold document",
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
    # points of the curve of risk, by confidence and by retrieval score alone; empty without gold
    curves: Mapping[str, Sequence[tuple[float, float]]]


def summarise(results: Sequence[CaseResult]) -> Summary:
    """There must be one result at least."""
    groups: defaultdict[str, list[CaseResult]] = defaultdict(list)
    for result in results:
        for name in (
            EVERYTHING,
            f"lang:{result.case.language}",
            f"kind:{result.case.kind}",
        ):
            groups[name].append(result)
    counted = Counter(result.stage for result in results)
    return Summary(
        groups={name: _figures(members) for name, members in groups.items()},
        funnel={stage.value: counted[stage] for stage in Stage},
        costs_ms=_costs(results),
        curves=_curves(results),
    )


def _figures(results: Sequence[CaseResult]) -> dict[str, Figure]:
    figures = {}
    for name in MEASURES:
        values = [item.measures[name] for item in results if name in item.measures]
        if values:
            interval = mean_interval(values, seed=SEED)
            figures[name] = Figure(interval.value, interval.low, interval.high, len(values))
    return figures | _refusals(results)


def _refusals(results: Sequence[CaseResult]) -> dict[str, Figure]:
    """Precision, recall and F1 of refusals, where some questions have no answer."""
    judged = [item for item in results if item.case.has_gold or not item.case.is_answerable]
    refused = np.array([item.status == "refused" for item in judged])
    should = np.array([not item.case.is_answerable for item in judged])
    if not should.any():
        return {}
    hits = refused & should
    # of a refusal, and of what should be refused; F1 is of both
    parts = {
        "refusal_precision": refused.astype(float),
        "refusal_recall": should.astype(float),
        "refusal_f1": (refused.astype(float) + should.astype(float)) / 2,
    }
    rows = [str(number) for number in range(len(judged))]
    figures = {}
    for name, part in parts.items():

        def share(picked: Rows, part: Floats = part) -> float:
            return float(hits[picked].sum() / max(1.0, part[picked].sum()))

        found = bootstrap(share, rows, seed=SEED)
        figures[name] = Figure(found.value, found.low, found.high, len(judged))
    return figures


def _costs(results: Sequence[CaseResult]) -> dict[str, float]:
    return {
        f"{name}_p{percent}": round(float(np.percentile(values, percent)), 1)
        for name, values in (
            ("retrieve", [item.retrieve_ms for item in results]),
            ("total", [item.total_ms for item in results]),
        )
        for percent in (50, 95)
    }


def _curves(results: Sequence[CaseResult]) -> dict[str, list[tuple[float, float]]]:
    """Risk for each coverage. A refused answer is judged as it would have been: not right."""
    judged = [item for item in results if item.case.has_gold or not item.case.is_answerable]
    if not judged:
        return {}
    right = np.array([item.is_right and item.case.is_answerable for item in judged])
    curves = {}
    for name, scores in (
        ("confidence", [item.confidence for item in judged]),
        ("retrieval score", [item.retrieval_score for item in judged]),
    ):
        curve = risk_coverage(np.array(scores), right)
        curves[name] = list(zip(curve.coverage.tolist(), curve.risk.tolist(), strict=True))
    return curves
