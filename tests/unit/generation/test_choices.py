"""Constrained decoding: whatever the model prefers, the output is one of the choices."""

from hypothesis import given
from hypothesis import strategies as st

from generation.choices import ChoiceConstraint

STOP = 99
CHOICES = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=5), min_size=1, max_size=6)


@given(CHOICES, st.data())
def test_any_way_through_ends_at_a_choice(choices: list[list[int]], data: st.DataObject) -> None:
    constraint = ChoiceConstraint(choices, stop_id=STOP)
    generated: list[int] = []

    while allowed := constraint.allowed_next(generated):
        token = data.draw(st.sampled_from(allowed))
        if token == STOP:
            break
        generated.append(token)

    assert generated in choices


@given(CHOICES)
def test_every_choice_can_be_reached_within_the_limit(choices: list[list[int]]) -> None:
    constraint = ChoiceConstraint(choices, stop_id=STOP)

    for choice in choices:
        for size, token in enumerate(choice):
            assert token in constraint.allowed_next(choice[:size])
        ending = constraint.allowed_next(choice)
        assert not ending or STOP in ending
        assert len(choice) < constraint.max_tokens


def test_a_choice_that_begins_another_may_stop_or_go_on() -> None:
    constraint = ChoiceConstraint([[1, 2], [1, 2, 3]], stop_id=STOP)

    assert constraint.allowed_next([1]) == [2]
    assert constraint.allowed_next([1, 2]) == [3, STOP]
    assert constraint.allowed_next([1, 2, 3]) == []


def test_nothing_may_follow_what_no_choice_begins_with() -> None:
    assert ChoiceConstraint([[1, 2]], stop_id=STOP).allowed_next([2]) == []


def test_empty_choices_are_no_choices() -> None:
    constraint = ChoiceConstraint([[], []], stop_id=STOP)

    assert constraint.allowed_next([]) == []
    assert constraint.max_tokens == 1


def test_the_ids_come_ascending_and_once() -> None:
    constraint = ChoiceConstraint([[7], [3, 1], [7, 2], [3]], stop_id=STOP)

    assert constraint.allowed_next([]) == [3, 7]
