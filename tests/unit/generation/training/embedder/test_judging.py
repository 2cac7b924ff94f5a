"""Ranks, gains and hard negatives, by hand."""

import numpy as np
import pytest
import torch

from generation.training.embedder.batches import ban_answers
from generation.training.embedder.examples import Asked
from generation.training.embedder.judging import Judged, find_gain, judge_vectors, mine

PASSAGES = np.eye(4, dtype=np.float32)
# nearest to the passages 1, 2, 0, 3 in this order
QUESTION = np.array([[0.5, 0.9, 0.7, 0.1]], np.float32)


def test_the_rank_passes_over_others_that_hold_the_answer() -> None:
    asked = [Asked("?", 0, frozenset({0}))]
    assert judge_vectors(QUESTION, PASSAGES, asked, seed=0).ranks == (3,)
    asked = [Asked("?", 0, frozenset({0, 1}))]
    assert judge_vectors(QUESTION, PASSAGES, asked, seed=0).ranks == (2,)


def test_measures_are_those_of_one_right_passage() -> None:
    judged = Judged((1, 3, 6, 11), seed=0)
    assert judged.ndcg == pytest.approx([1.0, 0.5, 1 / np.log2(7), 0.0])
    assert judged.found == [1.0, 1.0, 0.0, 0.0]
    gain = find_gain(Judged((1,) * 20, seed=0), Judged((3,) * 20, seed=0))
    assert [gain.value, gain.low] == pytest.approx([0.5, 0.5])
    assert find_gain(judged, judged).low == 0


def test_what_is_mined_misleads_and_is_wrong() -> None:
    asked = [Asked("?", 1, frozenset({1, 2}))]
    assert mine(QUESTION, PASSAGES, asked, number=2) == [[0, 3]]
    assert mine(QUESTION, PASSAGES, asked, number=9) == [[0, 3]]


def test_a_passage_of_another_question_that_answers_too_is_not_called_wrong() -> None:
    asked = [Asked("?", 1, frozenset({1, 2})), Asked("?", 2, frozenset({2}))]
    banned = ban_answers(asked, [1, 2, 3])
    assert torch.equal(banned, torch.tensor([[False, True, False], [False, False, False]]))
