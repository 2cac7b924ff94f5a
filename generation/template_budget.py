"""What a running template may spend: every piece of work is charged by the size of what it touches.

Work, not time: a template that renders once renders always, on a slow machine too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from jinja2 import TemplateError

# An endless loop ends in a fraction of a second; a chat costs some ten for each of its characters
# and some thousand for each of its messages.
_LEAST_BUDGET: Final = 1 << 22
_BUDGET_PER_CHAR: Final = 32
_BUDGET_PER_MESSAGE: Final = 1 << 12
_STEP: Final = 20  # the least that anything costs, in characters touched
_MAX_WEIGHT: Final = 1 << 26
_MAX_INTEGER_BITS: Final = 64

_left: ContextVar[list[int]] = ContextVar("left")


class TemplateTooCostlyError(TemplateError):
    """A template loops or grows without end."""


@contextmanager
def budget(*, num_chars: int, num_messages: int = 0) -> Iterator[None]:
    """For a template that is given so much."""
    most = _LEAST_BUDGET + _BUDGET_PER_CHAR * num_chars + _BUDGET_PER_MESSAGE * num_messages
    token = _left.set([most])
    try:
        yield
    finally:
        _left.reset(token)


def charge(cost: int) -> None:
    """Pay before doing: raises where there is not enough left."""
    left = _left.get()
    left[0] -= _STEP + cost
    if left[0] < 0:
        raise TemplateTooCostlyError("it loops or grows without end")


def length_of(value: object) -> int:
    """The work of copying a value, but not what lies inside it."""
    return len(value) if isinstance(value, str | bytes | list | tuple | dict) else 1


def admit(value: object) -> object:
    """A new value, charged; raises where all that lies in it is too much, or it is a huge number.

    A list may hold one thing many times, and lists in lists grow faster than what was spent.
    """
    charge(length_of(value))
    weigh(value)
    return value


def weigh(value: object) -> int:
    """Characters and items of a value and of all inside it; looking at each is charged."""
    weight = 0
    waiting = [value]
    while waiting:
        item = waiting.pop()
        charge(0)
        if isinstance(item, int) and item.bit_length() > _MAX_INTEGER_BITS:
            raise TemplateTooCostlyError("it computes with huge numbers")
        weight += length_of(item) + 1
        if weight > _MAX_WEIGHT:
            raise TemplateTooCostlyError("it builds too large a value")
        if isinstance(item, list | tuple):
            waiting += item
        elif isinstance(item, dict):
            waiting += item.keys()
            waiting += item.values()
    return weight
