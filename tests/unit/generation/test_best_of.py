"""One of several drafts, or the quote: chosen by reward, and nothing that was cut off is shown."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.best_of import Chosen, choose_draft
from generation.drafting import Unsupported
from generation.evidence import Evidence, find_sentences
from generation.reward import BUILT_IN_REWARD, Candidate, Judgement, Reward, WeighedReward
from generation.types import Draft
from tests.unit.generation.passages import make_passage, odd_texts

STORED = "The museum opens at nine in the morning. Tickets cost twelve euros for every adult."
OPENS, COST = (
    "The museum opens at nine in the morning.",
    "Tickets cost twelve euros for every adult.",
)
SHORT = "Tickets cost twelve euros."
NONSENSE = "Zebras sleep under purple umbrellas."
SPANS = find_sentences([make_passage(STORED)])
QUESTION = "How much are tickets?"


class NoQuote:
    """Another reward, of which the quote gets nothing: what is left is a choice among drafts."""

    name = "no-quote"

    def __init__(self, reward: Reward) -> None:
        self._reward = reward

    def judge(
        self, question: str, candidates: Sequence[Candidate], spans: Sequence[Evidence]
    ) -> list[Judgement]:
        judged = self._reward.judge(question, candidates, spans)
        return [
            replace(each, reward=-math.inf) if candidate.is_quote else each
            for candidate, each in zip(candidates, judged, strict=True)
        ]


def choose(
    *texts: str | Draft,
    reward: Reward = BUILT_IN_REWARD,
    unsupported: Unsupported = "end",
    beside_quote: bool = False,
) -> Chosen:
    drafts = [text if isinstance(text, Draft) else Draft(text, 8, -4.0) for text in texts]
    return choose_draft(
        QUESTION,
        drafts,
        SPANS,
        quote=COST,
        reward=reward if beside_quote else NoQuote(reward),
        unsupported=unsupported,
    )


def by(part: str) -> Reward:
    """A reward that looks at one thing only."""
    weights = dict.fromkeys(("support", "agreement", "likelihood"), 0.0) | {part: 1.0}
    return WeighedReward("one", **weights)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_supported_draft_wins_wherever_it_stands(place: int) -> None:
    texts = [NONSENSE, f"{COST} {NONSENSE}", f"{COST} {NONSENSE} {NONSENSE}"]
    texts[place] = COST

    chosen = choose(*texts, reward=by("support"))

    assert chosen.samples.winner == place
    assert "".join(chosen.pieces) == COST


def test_the_draft_that_others_agree_with_wins() -> None:
    chosen = choose(OPENS, COST, COST, reward=by("agreement"))

    assert chosen.samples.winner == 1
    agreements = [each.parts["agreement"] for each in chosen.samples.each]
    assert agreements[0] < agreements[1] == agreements[2]


def test_the_likelier_draft_wins_whatever_its_length() -> None:
    long, short = Draft(f"{COST} {OPENS}", 20, -4.0), Draft(COST, 2, -1.0)

    chosen = choose(short, long, reward=by("likelihood"))

    assert chosen.samples.winner == 1
    assert chosen.samples.each[1].parts["likelihood"] == pytest.approx(math.exp(-0.2))


def test_without_likelihoods_the_other_parts_decide() -> None:
    chosen = choose(Draft(NONSENSE, 4, None), Draft(COST, 4, None))

    assert chosen.samples.winner == 1
    assert all("likelihood" not in each.parts for each in chosen.samples.each)


def test_a_draft_that_does_not_stand_never_wins_whatever_its_reward() -> None:
    class Contrary:
        name = "contrary"

        def judge(
            self, question: str, candidates: Sequence[Candidate], spans: Sequence[Evidence]
        ) -> list[Judgement]:
            judged = BUILT_IN_REWARD.judge(question, candidates, spans)
            return [Judgement(-each.reward, each.parts) for each in judged]

    chosen = choose(NONSENSE, COST, "", reward=Contrary())

    assert chosen.samples.winner == 1
    assert [each.stands for each in chosen.samples.each] == [False, True, False]


def test_where_no_draft_stands_none_is_chosen_and_all_are_told_of() -> None:
    chosen = choose(NONSENSE, "", " \n")

    assert (chosen.pieces, chosen.samples.winner, len(chosen.samples.each)) == ((), None, 3)


@pytest.mark.parametrize(
    ("texts", "winner"),
    [
        ((SHORT, SHORT, SHORT, NONSENSE), 0),
        ((NONSENSE, SHORT, SHORT, SHORT), 1),
        # most would have given way to the quote: they speak for it
        ((NONSENSE, NONSENSE, SHORT), None),
        ((SHORT, "", NONSENSE, NONSENSE), None),
        # those that stand say different things
        ((SHORT, OPENS), None),
        # as good is not better
        ((COST, COST), None),
    ],
)
def test_a_draft_must_be_better_than_the_quote(texts: Sequence[str], winner: int | None) -> None:
    chosen = choose(*texts, beside_quote=True)

    assert chosen.samples.winner == winner
    assert "".join(chosen.pieces) == ("" if winner is None else SHORT)


def test_the_quote_is_as_likely_as_the_likeliest_draft_that_stands() -> None:
    texts = Draft(SHORT, 4, -4.0), Draft(SHORT, 4, -2.0), Draft(NONSENSE, 4, -0.1)

    samples = choose(*texts, beside_quote=True).samples

    assert samples.quote.parts["likelihood"] == samples.each[1].parts["likelihood"]
    assert samples.quote.parts["support"] == 1
    untold = choose(Draft(SHORT, 4, None), beside_quote=True).samples
    assert untold.quote.parts.keys() == untold.each[0].parts.keys() == {"support", "agreement"}


def test_of_equals_the_first_wins() -> None:
    assert choose(COST, COST, COST).samples.winner == 0


@pytest.mark.parametrize(
    ("text", "shown"),
    [(f"{COST} The museum opens at", COST), ("Tickets cost twelve euros for", ""), (COST, COST)],
)
def test_half_a_sentence_is_not_shown_where_a_limit_cut_it(text: str, shown: str) -> None:
    assert "".join(choose(Draft(text, 8, -4.0, is_cut=True)).pieces).strip() == shown


def test_a_draft_that_ended_by_itself_needs_no_stop() -> None:
    assert "".join(choose(COST.removesuffix(".")).pieces) == COST.removesuffix(".")


@pytest.mark.parametrize(
    ("unsupported", "shown"),
    [("end", ""), ("drop", COST), ("mark", f"{NONSENSE} {COST}")],
)
def test_unsupported_sentences_go_as_in_a_single_draft(
    unsupported: Unsupported, shown: str
) -> None:
    chosen = choose(f"{NONSENSE} {COST}", unsupported=unsupported)

    assert "".join(chosen.pieces).strip() == shown


@given(texts=st.lists(odd_texts(), min_size=1, max_size=5), quote=odd_texts(), is_cut=st.booleans())
def test_rewards_lie_between_0_and_1_and_are_the_same_again(
    *, texts: list[str], quote: str, is_cut: bool
) -> None:
    drafts = [Draft(text, len(text), -float(len(text)), is_cut=is_cut) for text in texts]
    spans = find_sentences([make_passage("\n".join(texts))])

    first, again = (
        choose_draft(
            QUESTION, drafts, spans, quote=quote, reward=BUILT_IN_REWARD, unsupported="end"
        )
        for _ in range(2)
    )

    assert first == again
    samples = first.samples
    if samples.winner is not None:
        assert samples.each[samples.winner].reward > samples.quote.reward
    for each in (*samples.each, samples.quote):
        assert 0 <= each.reward <= 1 + 1e-9
        assert all(0 <= part <= 1 for part in each.parts.values())


def test_an_empty_draft_is_not_certain() -> None:
    (judged,) = by("likelihood").judge(QUESTION, [Candidate(Draft("", 0, 0.0), "", (), 0.0)], SPANS)

    assert judged.reward == 0
