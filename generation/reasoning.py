"""Part a model's reasoning from its answer while both are being written. Judges neither."""

from collections.abc import Generator, Iterable, Iterator
from itertools import chain
from typing import Final

from generation.types import Reasoning

# Around the mark models like to put emphasis and headings: "**Answer:** nine".
_TRIMMED: Final = " \t\r\n*#"


def read_reasoning(pieces: Iterable[str], mark: str) -> Generator[Reasoning, None, Iterator[str]]:
    """Yield what comes before the first `mark`, and return what comes after it, as pieces.

    Without a mark all of it is reasoning, and there is no answer. An empty mark: none of it is.
    """
    rest = iter(pieces)
    if not mark:
        return rest
    held = ""
    num_shown = 0
    for piece in rest:
        held += piece
        before, found, after = held.partition(mark)
        whole = before if found else before[: len(before) - _overlap(before, mark)]
        # white space and emphasis wait: before the mark they are dropped
        ready = (whole if num_shown else whole.lstrip(_TRIMMED)).rstrip(_TRIMMED)
        if ready:
            yield Reasoning(ready)
            num_shown += 1
        if found:
            return _without_margin(chain([after], rest))
        if ready:
            held = held[held.index(ready) + len(ready) :]
    last = (held if num_shown else held.lstrip(_TRIMMED)).rstrip(_TRIMMED)
    if last:
        yield Reasoning(last)
    return iter(())


def split_reasoning(text: str, mark: str) -> tuple[str, str]:
    """Reasoning and answer of a whole text, parted as `read_reasoning` does."""
    if not mark:
        return "", text
    before, _mark, after = text.partition(mark)
    return before.strip(_TRIMMED), after.lstrip(_TRIMMED)


def _overlap(text: str, mark: str) -> int:
    """Length of the longest end of `text` that may be the beginning of the mark."""
    longest = min(len(text), len(mark) - 1)
    return next((size for size in range(longest, 0, -1) if mark.startswith(text[-size:])), 0)


def _without_margin(pieces: Iterable[str]) -> Iterator[str]:
    begun = False
    for piece in pieces:
        text = piece if begun else piece.lstrip(_TRIMMED)
        if text:
            begun = True
            yield text
