"""Vectors of questions asked again: the same ones, without the model."""

from collections.abc import Sequence

import numpy as np
import pytest

from app.kept_questions import KeptQuestions
from core.embedding import Vectors
from tests.fakes import FakeEmbedder
from tests.unit.app.house import House
from tests.unit.app.test_metrics import read, value

QUESTIONS = ("When does the pool open?", "Who has the key?", "May dogs come in?")


class Watched(FakeEmbedder):
    """Remembers which questions it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Embed N questions -> (N, D)."""
        self.seen += texts
        return super().embed_queries(texts)


@pytest.fixture
def model() -> Watched:
    return Watched()


def test_a_kept_vector_is_that_of_the_model(model: Watched) -> None:
    kept = KeptQuestions(model, max_kept=10)
    for texts in (QUESTIONS[:2], QUESTIONS[1:], QUESTIONS):
        assert np.array_equal(kept.embed_queries(texts), FakeEmbedder().embed_queries(texts))
    assert model.seen == list(QUESTIONS)


def test_only_white_space_makes_no_other_question(model: Watched) -> None:
    kept = KeptQuestions(model, max_kept=10)
    first, again = kept.embed_queries(["  Who has\tthe key? ", "Who has the key?"])
    assert np.array_equal(first, again)
    kept.embed_queries(["who has the key?"])
    assert model.seen == ["Who has the key?", "who has the key?"]


def test_a_vector_does_not_depend_on_who_asked_first(model: Watched) -> None:
    loose, tidy = "Who has  the\nkey?", "Who has the key?"
    one, other = KeptQuestions(model, max_kept=10), KeptQuestions(model, max_kept=10)
    one.embed_queries([loose])
    other.embed_queries([tidy])
    assert np.array_equal(one.embed_queries([tidy]), other.embed_queries([loose]))


def test_the_questions_asked_last_are_kept(model: Watched) -> None:
    kept = KeptQuestions(model, max_kept=2)
    kept.embed_queries(QUESTIONS[:2])
    kept.embed_queries(QUESTIONS[:1])
    kept.embed_queries(QUESTIONS[2:])  # takes the place of the second
    model.seen.clear()
    kept.embed_queries(QUESTIONS)
    assert model.seen == [QUESTIONS[1]]


def test_nothing_is_kept_where_nothing_may_be(model: Watched) -> None:
    kept = KeptQuestions(model, max_kept=0)
    first, again = (kept.embed_queries(QUESTIONS) for _ in range(2))
    assert np.array_equal(first, again)
    assert model.seen == [*QUESTIONS, *QUESTIONS]


def test_no_words_are_kept(model: Watched) -> None:
    kept = KeptQuestions(model, max_kept=10)
    kept.embed_queries(["whose salary is 4711"])
    assert "4711" not in repr(vars(kept)["_kept"])


def test_passages_are_embedded_as_they_come(model: Watched) -> None:
    counted: list[tuple[int, int]] = []
    kept = KeptQuestions(
        model, max_kept=10, count=lambda asked, at_hand: counted.append((asked, at_hand))
    )
    assert np.array_equal(kept.embed_passages(QUESTIONS), model.embed_passages(QUESTIONS))
    assert counted == []


def test_no_question_has_no_vector(model: Watched) -> None:
    assert KeptQuestions(model, max_kept=10).embed_queries([]).shape == (0, model.num_dimensions)


def test_operators_see_how_many_were_at_hand(house: House) -> None:
    for _ in range(3):
        house.client.post("/v1/search", json={"query": QUESTIONS[0]})
    house.client.post("/v1/search", json={"query": QUESTIONS[1], "mode": "lexical"})
    series = read(house)
    assert value(series["cimiento_question_cache_queries_total"]) == 3
    assert value(series["cimiento_question_cache_hits_total"]) == 2
