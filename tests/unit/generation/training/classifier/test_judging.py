"""Figures of a classifier, by hand."""

import numpy as np
import pytest

from generation.training.classifier.judging import (
    calibrate,
    calibration_error,
    choose_threshold,
    judge_scores,
    macro_f1,
)


def test_macro_f1_is_the_mean_over_labels_that_occur() -> None:
    targets, guesses = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    # F1 2/3 and 4/5; the third label is nowhere
    assert macro_f1(targets, guesses, 3) == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert macro_f1(targets, np.array([0, 0, 2, 1]), 3) == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_an_interval_holds_the_figure_and_is_the_same_again() -> None:
    generator = np.random.default_rng(0)
    targets = generator.integers(0, 3, 60)
    scores = np.eye(3)[targets] + generator.normal(0, 0.7, (60, 3))
    first, second = (judge_scores(scores, targets, seed=1) for _ in range(2))
    assert first == second
    assert first.macro_f1.low < first.macro_f1.value < first.macro_f1.high
    assert (len(first.f1_of), first.num_texts) == (3, 60)


def test_chances_that_are_too_sure_are_cooled_until_they_are_true() -> None:
    generator = np.random.default_rng(0)
    # right two times in three, and always as sure as sure can be
    targets = generator.integers(0, 2, 300)
    guesses = np.where(generator.random(300) < 2 / 3, targets, 1 - targets)
    scores = 20.0 * np.eye(2)[guesses]
    found = calibrate(scores, targets, sure=0.9)
    assert found.temperature > 10
    assert found.error < 0.05 < found.error_before
    assert found.sure_right is None  # never right nine times in ten
    assert found.threshold > 1
    easy = calibrate(scores, targets, sure=0.5)
    assert easy.sure_share == 1.0


def test_the_threshold_is_the_least_above_which_enough_is_right() -> None:
    confidences = np.array([0.9, 0.8, 0.7, 0.6])
    assert choose_threshold(confidences, np.array([1, 1, 0, 1], bool), sure=0.9) == 0.8
    assert choose_threshold(confidences, np.array([1, 1, 0, 1], bool), sure=0.75) == 0.6
    assert choose_threshold(confidences, np.array([0, 1, 1, 1], bool), sure=0.9) > 1


def test_texts_of_one_confidence_are_sure_together_or_not_at_all() -> None:
    confidences = np.array([0.9, 0.8, 0.8])
    assert choose_threshold(confidences, np.array([1, 1, 0], bool), sure=0.9) == 0.9


def test_the_calibration_error_is_the_mean_gap() -> None:
    confidences = np.array([0.95, 0.95, 0.55, 0.55])
    is_right = np.array([1, 1, 1, 0], bool)
    assert calibration_error(confidences, is_right) == pytest.approx(0.5 * 0.05 + 0.5 * 0.05)
