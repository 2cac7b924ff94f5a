"""Passages unlike one another: how they are picked, and from which vectors."""

import numpy as np
import pytest

from core.access import Access
from retrieval.diversity import pick_diverse
from retrieval.types import Refining
from tests.library import Library

EVERYTHING = Access.to_everything()
# two that are nearly the same, and one that is neither
RELEVANCE = np.array([0.9, 0.89, 0.5], dtype=np.float32)
LIKENESS = np.array([[1, 0.99, 0.1], [0.99, 1, 0.1], [0.1, 0.1, 1]], dtype=np.float32)


def pick(diversity: float, num_wanted: int = 3) -> list[int]:
    return pick_diverse(RELEVANCE, LIKENESS, diversity=diversity, num_wanted=num_wanted)


def test_without_diversity_the_order_is_that_of_relevance() -> None:
    assert pick(0.0) == [0, 1, 2]


@pytest.mark.parametrize("diversity", [0.6, 1.0])
def test_with_it_what_is_unlike_comes_before_what_is_alike(diversity: float) -> None:
    assert pick(diversity) == [0, 2, 1]


def test_the_best_comes_first_however_diverse() -> None:
    assert pick(1.0, num_wanted=1) == [0]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_few_or_equal_ones_are_picked_in_their_order(number: int) -> None:
    same = np.ones(number, dtype=np.float32)
    alike = np.ones((number, number), dtype=np.float32)

    assert pick_diverse(same, alike, diversity=0.5, num_wanted=5) == list(range(number))


def test_a_diverse_search_reaches_past_passages_that_are_alike(library: Library) -> None:
    pool = [f"pool opens at nine v{number}" for number in range(4)]
    library.publish(library.default_collection(), "a.txt", [*pool, "dogs swim in the pool"])

    plain, diverse = (
        library.retriever().retrieve(
            "pool opens", access=EVERYTHING, top_k=2, refining=Refining(diversity=diversity)
        )
        for diversity in (0.0, 0.7)
    )

    assert [each.text[:4] for each in plain] == ["pool", "pool"]
    assert diverse[0] == plain[0]
    assert diverse[1].text == "dogs swim in the pool"
