"""Two runs on the same questions: what changed beyond chance, and whether it may pass a gate."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.evaluation.reports import BadEvaluationReportError, StoredCase, StoredReport
from app.evaluation.summary import MEASURES, SEED
from core.statistics import Difference, paired_difference

# What a gate looks at. More measures would find a loss by chance more often.
GATED: Final = ("right", "score", "refused_rightly")
_LESS_IS_BETTER: Final = ("false_refusal",)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Differences by measure, better being positive; and the questions that were won and lost."""

    differences: Mapping[str, Difference]
    num_questions: Mapping[str, int]
    num_left_out: int
    won: tuple[str, ...]
    lost: tuple[str, ...]

    @property
    def losses(self) -> list[str]:
        """The gated measures that are worse beyond chance."""
        return [
            name for name in GATED if name in self.differences and self.differences[name].is_loss
        ]


def compare(before: StoredReport, after: StoredReport) -> Comparison:
    """Pair two reports by question. Raises `BadEvaluationReportError`.

    Questions that only one of them has, or whose words were withdrawn, are left out, and counted.
    """
    old, new = (_by_question(report) for report in (before, after))
    shared = [key for key in new if key in old]
    if not shared:
        raise BadEvaluationReportError("the two runs have no question in common")
    pairs = [(new[key], old[key]) for key in shared]
    differences = {}
    counts = {}
    for name in MEASURES:
        both = [
            (one.measures[name], other.measures[name])
            for one, other in pairs
            if name in one.measures and name in other.measures
        ]
        if both:
            sign = -1.0 if name in _LESS_IS_BETTER else 1.0
            differences[name] = paired_difference(
                [sign * value for value, _ in both], [sign * value for _, value in both], seed=SEED
            )
            counts[name] = len(both)
    return Comparison(
        differences=differences,
        num_questions=counts,
        num_left_out=len(before.cases) + len(after.cases) - 2 * len(shared),
        won=_changed(pairs, rises=True),
        lost=_changed(pairs, rises=False),
    )


def _by_question(report: StoredReport) -> dict[str, StoredCase]:
    left = [case for case in report.cases if not case.withdrawn]
    cases = {case.question: case for case in left}
    if len(cases) < len(left):
        twice, _ = Counter(case.question for case in left).most_common(1)[0]
        raise BadEvaluationReportError(f"a run asks {twice!r} twice: it cannot be paired")
    return cases


def _changed(pairs: Sequence[tuple[StoredCase, StoredCase]], *, rises: bool) -> tuple[str, ...]:
    def score(case: StoredCase) -> float:
        return case.measures.get("score", 0.0)

    return tuple(
        new.question
        for new, old in pairs
        if (score(new) > score(old) if rises else score(new) < score(old))
    )
