"""Words weighed by rarity: what few texts hold tells more, and the order of words tells nothing."""

import math

import pytest

from generation.rarity import QuestionWords

TEXTS = [{"bridge", "opened"}, {"bridge", "closed"}, {"bridge"}]


def test_a_word_that_few_texts_hold_weighs_more() -> None:
    words = QuestionWords.among("Who opened the bridge?", TEXTS)

    assert words.weights == {"opened": math.log(1 + 3 / 2), "bridge": math.log(1 + 3 / 4)}


def test_shares_are_of_the_weight_and_what_is_lacking_is_counted() -> None:
    words = QuestionWords.among("Who opened the bridge?", TEXTS)
    rare, common = math.log(1 + 3 / 2), math.log(1 + 3 / 4)

    assert words.share({"opened", "other"}) == pytest.approx(rare / (rare + common))
    assert words.share({"opened", "bridge"}) == 1.0
    assert words.lacking({"opened"}) == 0.5


@pytest.mark.parametrize(
    ("question", "texts"), [("And what of it?", TEXTS), ("Who opened it?", []), ("", [])]
)
def test_where_nothing_has_weight_the_share_is_nothing(
    question: str, texts: list[set[str]]
) -> None:
    assert QuestionWords.among(question, texts).share({"opened"}) == 0.0
