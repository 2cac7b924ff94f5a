"""What held-out texts say of a classifier: macro-F1, calibration, and from where on it is sure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from core.statistics import Interval, bootstrap
from generation.training.running import Measured

_NUM_BINS: Final = 10
_TEMPERATURES: Final = np.geomspace(0.05, 100.0, 305)

Scores = NDArray[np.float64]  # (N, L)
Numbers = NDArray[np.int64]  # (N,)


@dataclass(frozen=True, slots=True)
class Judged:
    """How well labels are guessed. f1_of: of each label, in their order."""

    loss: float  # nats per text, unweighted
    macro_f1: Interval
    accuracy: float
    f1_of: tuple[float, ...]
    num_texts: int

    @property
    def measured(self) -> Measured:
        return Measured(self.loss, self.macro_f1.value)

    def __str__(self) -> str:
        f1 = self.macro_f1
        return (
            f"macro-F1 {f1.value:.3f} (95% interval {f1.low:.3f} to {f1.high:.3f}, "
            f"{self.num_texts:,} texts), accuracy {self.accuracy:.3f}, loss {self.loss:.3f}"
        )


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A temperature that makes chances true, and a threshold above which labels are.

    error: the expected calibration error at that temperature, error_before at 1. sure_share of the
    held-out texts reach the threshold, and sure_right of those are labelled rightly.
    """

    temperature: float
    threshold: float
    error_before: float
    error: float
    sure_share: float
    sure_right: float | None


def judge_scores(scores: Scores, targets: Numbers, *, seed: int) -> Judged:
    """Judge scores (N, L) of N held-out texts."""
    guesses, num_labels = scores.argmax(axis=1), scores.shape[1]
    f1 = bootstrap(
        lambda rows: macro_f1(targets[rows], guesses[rows], num_labels),
        [str(number) for number in range(len(targets))],
        seed=seed,
        num_resamples=500,
    )
    loss = F.cross_entropy(torch.from_numpy(scores), torch.from_numpy(targets))
    f1_of = tuple(_f1_of(targets, guesses, num_labels).tolist())
    return Judged(float(loss), f1, float((guesses == targets).mean()), f1_of, len(targets))


def macro_f1(targets: Numbers, guesses: Numbers, num_labels: int) -> float:
    """The mean F1 of the labels that occur among the targets or the guesses."""
    f1 = _f1_of(targets, guesses, num_labels)
    occurs = np.bincount(np.concatenate([targets, guesses]), minlength=num_labels) > 0
    return float(f1[occurs].mean())


def _f1_of(targets: Numbers, guesses: Numbers, num_labels: int) -> NDArray[np.float64]:
    """2 hits / (targets + guesses) of each label; 0 where it does not occur."""
    hits = np.bincount(targets[targets == guesses], minlength=num_labels)
    both = np.bincount(targets, minlength=num_labels) + np.bincount(guesses, minlength=num_labels)
    f1: NDArray[np.float64] = 2 * hits / np.maximum(both, 1)
    return f1


def calibrate(scores: Scores, targets: Numbers, *, sure: float) -> Calibrated:
    """One temperature for all scores, which changes no label (Guo et al. 2017), and a threshold."""
    losses = [_mean_loss(scores / t, targets) for t in _TEMPERATURES]
    temperature = float(_TEMPERATURES[int(np.argmin(losses))])
    before, after = _confidences(scores), _confidences(scores / temperature)
    is_right = scores.argmax(axis=1) == targets
    threshold = choose_threshold(after, is_right, sure=sure)
    is_sure = after >= threshold
    return Calibrated(
        temperature=temperature,
        threshold=threshold,
        error_before=calibration_error(before, is_right),
        error=calibration_error(after, is_right),
        sure_share=float(is_sure.mean()),
        sure_right=float(is_right[is_sure].mean()) if is_sure.any() else None,
    )


def choose_threshold(
    confidences: NDArray[np.float64], is_right: NDArray[np.bool_], *, sure: float
) -> float:
    """The least confidence above which the share of right labels is `sure` at least.

    Above 1, which nothing reaches, where that is so nowhere.
    """
    order = np.argsort(-confidences, kind="stable")
    shares = np.cumsum(is_right[order]) / np.arange(1, len(order) + 1)
    # texts of one confidence are above a threshold together
    is_last = np.append(confidences[order][1:] != confidences[order][:-1], True)
    good = np.flatnonzero((shares >= sure) & is_last)
    return float(confidences[order][good[-1]]) if len(good) else 1.1


def calibration_error(confidences: NDArray[np.float64], is_right: NDArray[np.bool_]) -> float:
    """How far chances are from the shares of right labels, over ten bins of equal width."""
    bins = np.minimum((confidences * _NUM_BINS).astype(np.int64), _NUM_BINS - 1)
    gaps = [
        abs(float(confidences[bins == n].mean() - is_right[bins == n].mean()))
        * float((bins == n).mean())
        for n in np.unique(bins)
    ]
    return sum(gaps)


def describe_labels(labels: Sequence[str], judged: Judged, targets: Numbers) -> list[str]:
    """A row of the card's table for each label: its F1, and of how many texts."""
    sizes = np.bincount(targets, minlength=len(labels))
    return [
        f"| {label} | {f1:.3f} | {int(size):,} |"
        for label, f1, size in zip(labels, judged.f1_of, sizes, strict=True)
    ]


def _mean_loss(scores: Scores, targets: Numbers) -> float:
    return float(F.cross_entropy(torch.from_numpy(scores), torch.from_numpy(targets)))


def _confidences(scores: Scores) -> NDArray[np.float64]:
    chances: NDArray[np.float64] = torch.softmax(torch.from_numpy(scores), dim=1).numpy()
    highest: NDArray[np.float64] = chances.max(axis=1)
    return highest
