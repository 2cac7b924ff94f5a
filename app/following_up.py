"""What a follow-up question is understood from: the turns before it, as far as they fit."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.conversations import ShownTurn
from core.ids import AnswerId
from core.redaction import Source, borrowed_sources, quoted_sources
from generation.follow_ups import Turn, recent, stand_alone
from generation.generator import Generator

_WHOLE = ("answered", "partial")


@dataclass(frozen=True, slots=True)
class PastTurn:
    """A turn, and where the words of its answer and of its question are from."""

    id: AnswerId
    turn: Turn
    quoted: frozenset[Source] = frozenset()
    borrowed: frozenset[Source] = frozenset()


@dataclass(frozen=True, slots=True)
class Understood:
    """A question as it is searched for.

    standalone: what it was rewritten to; None where it stands alone. borrowed: whose words that
    holds. history: the turns it was understood from; num_left_out older ones did not fit.
    """

    standalone: str | None = None
    borrowed: frozenset[Source] = frozenset()
    history: tuple[AnswerId, ...] = ()
    num_left_out: int = 0


def past_turns(shown: Sequence[ShownTurn]) -> tuple[PastTurn, ...]:
    """The turns as far as their words may be used."""
    return tuple(map(_past, shown))


def understand(
    question: str, past: Sequence[PastTurn], generator: Generator, *, max_tokens: int
) -> Understood:
    """Rewrite a follow-up to stand alone, from the latest turns of so many tokens."""
    if not past:
        return Understood()
    turns = [each.turn for each in past]
    num_kept = recent(turns, generator, max_tokens=max_tokens)
    kept = past[len(past) - num_kept :]
    history = tuple(each.id for each in kept)
    rewritten = stand_alone(question, [each.turn for each in kept])
    num_left_out = len(past) - num_kept
    if rewritten is None:
        return Understood(history=history, num_left_out=num_left_out)
    # which turn gave which word is not followed up: all that might have did
    borrowed = frozenset().union(*(each.borrowed for each in kept))
    if rewritten.borrows:
        borrowed = borrowed.union(*(each.quoted for each in kept))
    return Understood(rewritten.text, borrowed, history, num_left_out)


def _past(shown: ShownTurn) -> PastTurn:
    stored = shown.answer
    if shown.is_hidden:
        return PastTurn(stored.id, Turn(stored.question))
    response = stored.response
    is_whole = stored.status in _WHOLE
    return PastTurn(
        stored.id,
        Turn(response["standalone"] or stored.question, response["answer"] if is_whole else ""),
        quoted=frozenset(quoted_sources(response)) if is_whole else frozenset(),
        borrowed=frozenset(borrowed_sources(response)),
    )
