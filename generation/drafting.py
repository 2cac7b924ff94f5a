"""Check a draft sentence by sentence while it is written. Lets nothing through unchecked."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from generation.citations import best_span
from generation.evidence import Evidence
from generation.sentences import split_sentences
from generation.words import content_stems

# Stricter than for a citation: the quote that takes the draft's place is always right to the
# letter, so a draft must earn its place.
_MIN_DRAFT_SUPPORT: Final = 0.75


def draft_checked(pieces: Iterable[str], is_good: Callable[[str], bool]) -> Iterator[str]:
    """Pass pieces on, a whole sentence at a time, until one is not good; the rest is dropped.

    A sentence is judged once the next one has begun, or at the end: only then is it complete.
    """
    held: list[str] = []
    for piece in pieces:
        held.append(piece)
        bounds = list(split_sentences("".join(held)))
        if len(bounds) < 2:
            continue
        start = bounds[1][0]
        sentence, rest = _split_pieces(held, start)
        if not is_good("".join(sentence).strip()):
            return
        yield from sentence
        held = rest
    last = "".join(held).strip()
    if last and is_good(last):
        yield from held


def is_worth_showing(sentence: str, question: str, spans: Sequence[Evidence]) -> bool:
    """Whether a drafted sentence is well supported and says more than the question did."""
    support, _span = best_span(sentence, spans)
    says_more = set(content_stems(sentence)) - set(content_stems(question))
    return support >= _MIN_DRAFT_SUPPORT and bool(says_more)


def _split_pieces(pieces: Sequence[str], at: int) -> tuple[list[str], list[str]]:
    # cut the pieces at a character offset of the text they make
    before: list[str] = []
    for index, piece in enumerate(pieces):
        if at < len(piece):
            head = [piece[:at]] if at else []
            return before + head, [piece[at:], *pieces[index + 1 :]]
        before.append(piece)
        at -= len(piece)
    return before, []
