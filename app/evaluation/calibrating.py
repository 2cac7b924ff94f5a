"""An owner's questions to a calibration of one collection, with the curve that shows its worth."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from app.asking import options_for
from app.calibrations import StoredCalibration
from app.evaluation.cases import EvalCase
from app.evaluation.judging import holds_gold, is_right
from app.evaluation.running import Asking, answer_case, with_examples
from app.evaluation.summary import SEED
from app.services import Services
from core.access import Access, Caller
from core.errors import CimientoError
from core.statistics import Interval, bootstrap
from generation.calibrating import Case, Floats, cross_validate, fit_weights, risk_coverage
from generation.confidence import BUILT_IN
from generation.question_fit import fit_question

# Of each side. With fewer a fit says more about chance than about the documents.
MIN_EACH: Final = 15
_MAX_FALSE_REFUSALS: Final = 0.15
_NEVER_REFUSE: Final = 0.0

Curve = list[tuple[float, float]]


class TooFewQuestionsError(CimientoError):
    """Too few questions are answered rightly, or wrongly, to fit anything to them."""

    code = "too_few_questions"


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What a fit came to. `gain` is by how much its area of risk is smaller than the built-in's,
    both on questions that it was not fitted to; `refused_but_right` what the threshold costs.
    """

    calibration: StoredCalibration
    curves: dict[str, Curve]
    gain: Interval
    num_right: int
    refused_but_right: float
    right_when_answered: float


@dataclass(frozen=True, slots=True)
class _Seen:
    case: Case
    built_in: float
    could_answer: bool


def calibrate(
    services: Services, cases: Sequence[EvalCase], access: Access, *, source: Path
) -> Calibrated:
    """Ask every case that says what is right, fit, and choose a threshold.

    Cases are asked as anybody's question is where nothing is said: with the prompt that is active
    in the collection of `access`, its settings and examples. The threshold refuses at most 15 % of
    the questions whose gold was read. Raises `TooFewQuestionsError`.
    """
    options = options_for(services, access, caller=Caller.owner())
    asking = Asking(access, services.settings.retrieval.top_k, options).never_refusing()
    seen = [item for case in cases if (item := _look(services, case, asking)) is not None]
    right = np.array([item.case.is_right for item in seen], dtype=bool)
    if min(right.sum(), (~right).sum()) < MIN_EACH:
        raise TooFewQuestionsError(
            f"{int(right.sum())} of {len(right)} questions are answered rightly; it takes "
            f"{MIN_EACH} right and {MIN_EACH} wrong ones (questions without an answer count as "
            "wrong ones): add questions to the file"
        )
    fits = [item.case for item in seen]
    chances = cross_validate(fits, seed=SEED)
    built_in = np.array([item.built_in for item in seen])
    threshold = _threshold(seen, chances)
    refused = chances < threshold
    gain = bootstrap(
        lambda rows: (
            risk_coverage(built_in[rows], right[rows]).area
            - risk_coverage(chances[rows], right[rows]).area
        ),
        [item.case.group for item in seen],
        seed=SEED,
    )
    return Calibrated(
        StoredCalibration(
            fit_weights(fits),
            threshold,
            len(seen),
            hashlib.sha256(source.read_bytes()).hexdigest(),
        ),
        {
            "this collection": risk_coverage(chances, right).points,
            "built in": risk_coverage(built_in, right).points,
        },
        gain,
        int(right.sum()),
        float(refused[right].mean()),
        float(right[~refused].mean()) if (~refused).any() else 0.0,
    )


def _look(services: Services, case: EvalCase, asking: Asking) -> _Seen | None:
    if not case.can_be_judged:
        return None
    passages = services.retriever.retrieve(case.question, access=asking.access, top_k=asking.top_k)
    read = passages[: asking.options.max_passages]
    evidence = services.ranker.rank(case.question, read)
    if not evidence:
        return None
    full = answer_case(
        case.question,
        passages,
        with_examples(services, case, asking),
        generator=services.generator,
        ranker=services.ranker,
    )
    fit = fit_question(case.question, passages, evidence)
    could_answer = case.is_answerable and any(holds_gold(item, case) for item in read)
    return _Seen(
        Case(
            fit,
            is_right=case.is_answerable and is_right(case, full),
            group=(case.gold_documents or (case.question,))[0],
        ),
        BUILT_IN.confidence(case.question, passages, evidence),
        could_answer,
    )


def _threshold(seen: Sequence[_Seen], chances: Floats) -> float:
    could = np.array([item.could_answer for item in seen])
    if not could.any():
        return _NEVER_REFUSE
    return round(float(np.quantile(chances[could], _MAX_FALSE_REFUSALS)), 3)
