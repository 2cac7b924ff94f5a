"""Guesses come from what was said before, cheaply, and stop where they do not pay."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.engine.lookup import (
    DENSE_COSTS,
    INT4_COSTS,
    GuessBudget,
    GuessCosts,
    Lookup,
    LookupIndex,
)

TOKENS = st.lists(st.integers(0, 4), max_size=40)


def test_what_followed_the_same_run_before_is_proposed() -> None:
    index = LookupIndex([1, 2, 3, 4, 5, 6, 7, 8])
    index.extend([2, 3, 4])

    assert index.propose(3) == [5, 6, 7]


def test_nothing_is_proposed_where_nothing_matches() -> None:
    index = LookupIndex([1, 2, 3, 4])

    assert index.propose(3) == []
    assert LookupIndex([]).propose(3) == []
    assert LookupIndex([7]).propose(3) == []


def test_the_longest_match_wins() -> None:
    index = LookupIndex([9, 2, 3, 70, 8, 2, 3, 80])
    index.extend([9, 2, 3])

    assert index.propose(1) == [70]


def test_the_latest_of_equal_matches_wins() -> None:
    index = LookupIndex([1, 2, 50, 1, 2, 60, 5])
    index.extend([1, 2])

    assert index.propose(1) == [60]


def test_the_prompt_is_preferred_to_the_output() -> None:
    index = LookupIndex([1, 2, 3, 50, 0])
    index.extend([1, 2, 3, 60, 0, 1, 2, 3])

    assert index.propose(1) == [50]


def test_the_output_is_searched_too() -> None:
    index = LookupIndex([0])
    index.extend([1, 2, 3, 4, 9, 1, 2])

    assert index.propose(2) == [3, 4]


def test_a_copied_run_is_followed_though_a_later_one_begins_alike() -> None:
    index = LookupIndex([7, 8, 1, 2, 3, 4, 5, 0, 9, 2, 3, 4, 6, 0])
    index.extend([8, 1])
    assert index.propose(3) == [2, 3, 4]
    index.extend([2, 3, 4])

    assert index.propose(1) == [5]


def test_a_copied_run_is_left_when_the_output_goes_another_way() -> None:
    index = LookupIndex([1, 2, 3, 4, 5, 6, 7])
    index.extend([1, 2])
    assert index.propose(2) == [3, 4]
    index.extend([5, 6])

    assert index.propose(1) == [7]


def test_a_match_that_runs_out_goes_on_as_a_cycle() -> None:
    index = LookupIndex([])
    index.extend([5, 6, 7, 5, 6])

    assert index.propose(7) == [7, 5, 6, 7, 5, 6, 7]


@given(TOKENS, TOKENS, st.integers(1, 7))
def test_a_proposal_follows_an_earlier_place_that_reads_the_same(
    prompt: list[int], output: list[int], num_guesses: int
) -> None:
    index = LookupIndex(prompt)
    index.extend(output)
    tokens = prompt + output

    guesses = index.propose(num_guesses)

    pairs = list(itertools.pairwise(tokens))
    assert bool(guesses) == (tuple(tokens[-2:]) in pairs[:-1])
    if guesses:
        assert len(guesses) == num_guesses
        read = [*tokens, *guesses]
        starts = [at for at in range(2, len(tokens)) if tokens[at - 2 : at] == tokens[-2:]]
        assert any(read[at : at + num_guesses] == guesses for at in starts)


@given(TOKENS, TOKENS)
def test_token_by_token_and_all_at_once_propose_the_same(
    prompt: list[int], output: list[int]
) -> None:
    whole = LookupIndex(prompt)
    whole.update(output)
    stepwise = LookupIndex(prompt)
    for size in range(len(output) + 1):
        stepwise.update(output[:size])

    assert whole.propose(3) == stepwise.propose(3)


def test_a_long_history_costs_no_more_a_token_than_a_short_one() -> None:
    index = LookupIndex(list(range(100_000)))
    start = time.thread_time()
    for token in range(2000):
        index.append(token % 50)
        index.propose(7)

    assert time.thread_time() - start < 1


def test_a_budget_begins_with_a_few_and_grows_while_guesses_hold() -> None:
    budget = GuessBudget(GuessCosts())
    assert budget.choose(most=7) == 3
    for _ in range(12):
        budget.record(num_guessed=3, num_accepted=3)

    assert budget.choose(most=7) == 7
    assert budget.choose(most=6) == 3
    assert budget.choose(most=2) == 0


def test_a_budget_rests_when_guesses_fail_and_then_tries_again() -> None:
    budget = GuessBudget(GuessCosts())
    rests = []
    for _ in range(3):
        while budget.choose(most=7):
            budget.record(num_guessed=3, num_accepted=0)
        num_rests = 1
        while not budget.choose(most=7):
            num_rests += 1
        rests.append(num_rests)

    assert rests == [4, 8, 16]


def test_one_bad_step_alone_does_not_end_the_guessing() -> None:
    budget = GuessBudget(GuessCosts())
    budget.record(num_guessed=3, num_accepted=0)

    assert budget.choose(most=7) == 3


def test_where_guesses_are_cheap_more_are_made_sooner() -> None:
    cheap, dear = GuessBudget(GuessCosts(DENSE_COSTS)), GuessBudget(GuessCosts(INT4_COSTS))
    for budget in (cheap, dear):
        budget.record(num_guessed=3, num_accepted=3)

    assert cheap.choose(most=7) == 7
    assert dear.choose(most=7) == 3


def test_dear_guesses_are_tried_once_and_go_on_where_they_hold() -> None:
    budget = GuessBudget(GuessCosts({3: 2.0}))
    assert budget.choose(most=7) == 3
    budget.record(num_guessed=3, num_accepted=3)
    assert budget.choose(most=7) == 3
    budget.record(num_guessed=3, num_accepted=0)
    budget.record(num_guessed=3, num_accepted=0)
    assert budget.choose(most=7) == 0


def test_where_guesses_cost_as_much_as_tokens_none_are_made() -> None:
    assert GuessBudget(GuessCosts({3: 4.0, 7: 8.0})).choose(most=7) == 0


def test_costs_are_what_was_told_until_both_steps_were_timed() -> None:
    costs = GuessCosts({3: 1.5, 7: 2.5})
    costs.record(3, 0.9)
    assert costs.costs() == {3: 1.5, 7: 2.5}
    costs.record(0, 0.3)
    assert costs.costs() == {3: pytest.approx(3.0), 7: 2.5}


def test_a_disturbed_step_changes_no_cost_and_a_lasting_change_does() -> None:
    costs = GuessCosts({3: 1.5})
    for step_s in (0.01, 0.01, 5.0):
        costs.record(0, step_s)
        costs.record(3, 2 * step_s)
    assert costs.costs()[3] == pytest.approx(2.0)
    for _ in range(200):
        costs.record(0, 0.01)
        costs.record(3, 0.01)
    assert costs.costs()[3] == pytest.approx(1.0)
    for _ in range(200):
        costs.record(3, 0.04)
    assert costs.costs()[3] == pytest.approx(4.0)


def test_a_budget_goes_by_what_was_timed() -> None:
    costs = GuessCosts({3: 1.2})
    budget = GuessBudget(costs)
    assert budget.choose(most=7) == 3
    costs.record(0, 0.01)
    costs.record(3, 0.05)
    assert budget.choose(most=7) == 0


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7))), st.integers(0, 7))
def test_a_budget_never_exceeds_what_is_allowed(steps: list[tuple[int, int]], most: int) -> None:
    budget = GuessBudget(GuessCosts())
    for guessed, accepted in steps:
        budget.record(num_guessed=guessed, num_accepted=min(guessed, accepted))
        assert budget.choose(most=most) in {0, 3, 7}
        assert budget.choose(most=most) <= most


@pytest.mark.parametrize("output", [[], [1, 2], [1, 2, 3, 1, 2]])
def test_a_lookup_guesses_from_prompt_and_output(output: list[int]) -> None:
    lookup = Lookup([1, 2, 3, 4, 5, 1, 2], GuessCosts())

    assert lookup.guess(output, most=7) == [3, 4, 5]
    assert lookup.guess(output, most=2) == []


def test_a_lookup_falls_silent_where_its_guesses_fail() -> None:
    lookup = Lookup([1, 2, 3, 1, 2, 4, 1, 2], GuessCosts())
    output: list[int] = []
    num_guessed = 0
    for _ in range(200):
        guesses = lookup.guess(output, most=7)
        num_guessed += len(guesses)
        lookup.record(num_guessed=len(guesses), num_accepted=0)
        output += [1, 2]

    assert num_guessed < 80
