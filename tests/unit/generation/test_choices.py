"""Constrained decoding: whatever the model prefers, the output is one of the choices."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.choices import ChoiceConstraint, Path

STOP = 9
CHOICES = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=5), min_size=1, max_size=6)


def constraint_of(choices: Sequence[Sequence[int]], so_far: Sequence[int] = ()) -> ChoiceConstraint:
    paths = [Path(tuple(choice), frozenset({len(choice)})) for choice in choices]
    constraint = ChoiceConstraint(paths, stop_ids={STOP}, vocab_size=10)
    for token in so_far:
        constraint.advance(token)
    return constraint


@given(CHOICES, st.data())
def test_any_way_through_ends_at_a_choice(choices: list[list[int]], data: st.DataObject) -> None:
    constraint = constraint_of(choices)
    generated: list[int] = []

    while not constraint.is_finished:
        forced = constraint.forced()
        chosen = forced or [data.draw(st.sampled_from(constraint.allowed_next()))]
        if chosen == [STOP]:
            break
        for token in chosen:
            constraint.advance(token)
        generated += chosen

    assert generated in choices


@given(CHOICES)
def test_every_choice_can_be_reached_within_the_limit(choices: list[list[int]]) -> None:
    for choice in choices:
        constraint = constraint_of(choices)
        for token in choice:
            assert token in constraint.allowed_next()
            constraint.advance(token)
        assert STOP in constraint.allowed_next()
        assert len(choice) < constraint.max_tokens


@given(CHOICES, st.data())
def test_what_is_forced_is_all_that_is_allowed(
    choices: list[list[int]], data: st.DataObject
) -> None:
    choice = data.draw(st.sampled_from(choices))
    constraint = constraint_of(choices, choice[: data.draw(st.integers(0, len(choice)))])

    for token in constraint.forced():
        assert constraint.allowed_next() == [token]
        constraint.advance(token)
    assert constraint.is_finished or len(constraint.allowed_next()) > 1


@given(CHOICES)
def test_the_mask_says_what_is_allowed(choices: list[list[int]]) -> None:
    constraint = constraint_of(choices)

    assert constraint.mask().shape == (10,)
    assert constraint.mask().nonzero().flatten().tolist() == constraint.allowed_next()


def test_a_choice_that_begins_another_may_stop_or_go_on() -> None:
    choices = [[1, 2], [1, 2, 3]]

    assert constraint_of(choices).forced() == [1, 2]
    assert constraint_of(choices, [1, 2]).allowed_next() == [3, STOP]
    assert constraint_of(choices, [1, 2]).forced() == []
    assert constraint_of(choices, [1, 2, 3]).is_finished


def test_the_only_choice_is_forced_whole() -> None:
    assert constraint_of([[4, 5, 6]]).forced() == [4, 5, 6]
    assert constraint_of([[4, 5, 6]], [4]).forced() == [5, 6]


@pytest.mark.parametrize("so_far", [[2], [1, 2], [1, STOP], [1, 2, STOP]])
def test_only_the_stop_token_follows_an_end_or_what_no_choice_says(so_far: list[int]) -> None:
    constraint = constraint_of([[1, 2]], so_far)

    assert constraint.is_finished
    assert constraint.forced() == []
    assert constraint.allowed_next() == [STOP]


def test_empty_choices_are_no_choices() -> None:
    constraint = constraint_of([[], []])

    assert constraint.is_finished
    assert constraint.max_tokens == 1


def test_the_ids_come_ascending_and_once() -> None:
    assert constraint_of([[7], [3, 1], [7, 2], [3]]).allowed_next() == [3, 7]
