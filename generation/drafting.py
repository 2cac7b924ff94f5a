"""Check a draft sentence by sentence while it is written. Lets nothing through unchecked."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Literal

from generation.citations import best_span
from generation.evidence import Evidence
from generation.sentences import split_sentences
from generation.words import content_stems

Unsupported = Literal["end", "drop", "mark"]

# Stricter than for a citation: the quote that takes the draft's place is always right to the
# letter, so a draft must earn its place.
_MIN_DRAFT_SUPPORT: Final = 0.75
_ENDS: Final = re.compile(r"[.!?…][\"'”’»)\]]*\s*$")  # noqa: RUF001 - real quotes


def draft_checked(
    pieces: Iterable[str],
    is_good: Callable[[str], bool],
    *,
    unsupported: Unsupported = "end",
    is_cut: Callable[[], bool] = lambda: False,
) -> Iterator[str]:
    """Pass a text on, a whole sentence at a time; what is not good goes by `unsupported`.

    "end": the draft ends there, and nothing more is read. "drop": such sentences are left out.
    "mark": they are shown, for the caller to mark, where any sentence is good; else nothing is.
    White space between sentences is kept, before the first and after the last it is dropped.
    `is_cut` is asked when the pieces have ended: whether a limit ended them. Of a sentence that it
    cut nothing is shown.
    """
    held: list[str] = []
    stands = False
    for sentence in _whole_sentences(pieces, is_cut):
        if is_good(sentence.strip()):
            held.append(sentence)
            whole = "".join(held)
            yield whole if stands else whole.lstrip()
            held, stands = [], True
        elif unsupported == "end":
            return
        elif unsupported == "mark" and stands:
            yield sentence
        elif unsupported == "mark":
            held.append(sentence)


def is_worth_showing(sentence: str, question: str, spans: Sequence[Evidence]) -> bool:
    """Whether a drafted sentence is well supported and says more than the question did."""
    support, _span = best_span(sentence, spans)
    says_more = set(content_stems(sentence)) - set(content_stems(question))
    return support >= _MIN_DRAFT_SUPPORT and bool(says_more)


def ends_whole(text: str) -> bool:
    """Whether a text ends with a stop, as one that was cut inside a sentence does not.

    Half a sentence of a source is supported by it, whatever its other half says.
    """
    return _ENDS.search(text) is not None


def _whole_sentences(pieces: Iterable[str], is_cut: Callable[[], bool]) -> Iterator[str]:
    # each with the white space before it; it is whole once the next has begun, or at the end
    held = ""
    for piece in pieces:
        held += piece
        bounds = list(split_sentences(held, wrapped=False))
        start = 0
        for _start, end in bounds[:-1]:
            yield held[start:end]
            start = end
        held = held[start:]
    if held.strip() and (ends_whole(held) or not is_cut()):
        yield held.rstrip()
