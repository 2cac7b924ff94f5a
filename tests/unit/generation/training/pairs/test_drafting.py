"""Pairs of a model's own drafts: which is better is said by the passages and the known answer."""

import pytest

from generation.prompts import load_prompt
from generation.training.pairs.drafting import DraftCounts, draft_pairs
from generation.training.reader.examples import Example, Source
from generation.types import Sampling
from tests.fakes_generation import FakeGenerator

TEXT = "The swimming pool opens at nine in the morning. It closes at eight in the evening."
GOOD = "The swimming pool opens at nine in the morning."
OTHER = "It closes at eight in the evening."
INVENTED = "Zebras sleep under purple umbrellas."
QUESTION = "When does the pool open?"


def pairs_of(*drafts: str, answer: str | None = "nine") -> tuple[list[tuple[str | None, str]], str]:
    example = Example(QUESTION, (Source("pool.txt", TEXT),), answer, "en", licence="CC0")
    counts = DraftCounts()
    sampling = Sampling(temperature=0.7, n=len(drafts))
    generator = FakeGenerator(replies=drafts)
    lines = list(draft_pairs([example], generator, load_prompt("direct"), sampling, counts))
    assert all(line["passages"] == [{"name": "pool.txt", "text": TEXT}] for line in lines)
    assert all((line["source"], line["licence"]) == ("drafts", "CC0") for line in lines)
    return [(line["chosen"], line["rejected"]) for line in lines], str(counts)


def test_a_supported_draft_with_the_answer_is_better_than_the_least_supported() -> None:
    pairs, told = pairs_of(OTHER, GOOD, INVENTED)
    assert pairs == [(GOOD, INVENTED)]
    assert told == "1 questions gave 1 pairs; questions without one: none"


def test_a_supported_draft_that_lacks_the_answer_is_the_worse() -> None:
    assert pairs_of(OTHER, GOOD)[0] == [(GOOD, OTHER)]


def test_where_no_draft_is_good_the_sentence_with_the_answer_is_better() -> None:
    assert pairs_of(INVENTED, INVENTED)[0] == [(GOOD, INVENTED)]


def test_where_there_is_no_answer_saying_so_is_better_than_any_draft() -> None:
    assert pairs_of("Not in the passages.", INVENTED, answer=None)[0] == [(None, INVENTED)]


@pytest.mark.parametrize(
    ("drafts", "answer", "why"),
    [
        ((GOOD, GOOD), "nine", "no draft is bad"),
        (("Not in the passages.", ""), None, "no draft answers"),
    ],
)
def test_a_question_without_two_replies_is_counted(
    drafts: tuple[str, ...], answer: str | None, why: str
) -> None:
    pairs, told = pairs_of(*drafts, answer=answer)
    assert pairs == []
    assert told == f"1 questions gave 0 pairs; questions without one: {why} 1"
