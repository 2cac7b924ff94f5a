"""A text is learnt from once, however it is spaced or slightly changed."""

import time

import numpy as np
import pytest

from generation.training.deduplication import RUN_CHARS, Deduplicator, build_sketch
from tests.unit.generation.training.texts import write_text


def test_the_same_text_is_found_whatever_its_case_and_spacing() -> None:
    known = Deduplicator()
    assert known.judge("One text,  and no\nother.") == "new"
    assert known.judge(" one TEXT, and no other.\n") == "exact"
    assert known.judge("One text, and another.") == "new"


def test_a_text_with_a_word_changed_is_near_and_another_text_is_new() -> None:
    text = write_text(seed=1, num_words=400)
    known = Deduplicator()
    assert known.judge(text) == "new"
    assert known.judge(text.replace("winter", "summer", 1)) == "near"
    assert known.judge("Copyright of somebody.\n" + text) == "near"
    assert known.judge(write_text(seed=2, num_words=400)) == "new"
    assert known.judge(text + write_text(seed=3, num_words=400)) == "new"  # half of it is new


@pytest.mark.parametrize("text", ["", "x", "short", "日本語"])
def test_texts_shorter_than_a_run_are_judged_too(text: str) -> None:
    known = Deduplicator()
    assert known.judge(text) == "new"
    assert known.judge(text) == "exact"


def test_agreement_of_sketches_estimates_the_share_of_common_runs() -> None:
    errors = []
    for seed in range(20):
        a = write_text(seed=seed, num_words=600)
        b = a[: len(a) * (60 + seed) // 100] + write_text(seed=1000 + seed, num_words=200)
        runs_a, runs_b = (
            {text[i : i + RUN_CHARS] for i in range(len(text) - RUN_CHARS + 1)} for text in (a, b)
        )
        true = len(runs_a & runs_b) / len(runs_a | runs_b)
        errors.append(float(np.mean(build_sketch(a) == build_sketch(b))) - true)
    assert abs(np.mean(errors)) < 0.03  # no bias
    assert np.std(errors) < 0.07


def test_work_grows_with_the_text_and_not_with_its_square() -> None:
    """Thousands of look-alikes, the worst case for comparing each with all."""
    known = Deduplicator()
    texts = [f"{n} " + "the same template over and over " * 8 for n in range(2000)]
    began = time.thread_time()
    verdicts = [known.judge(text) for text in texts]
    assert time.thread_time() - began < 5
    assert verdicts[0] == "new"
    assert verdicts.count("near") > 1900
