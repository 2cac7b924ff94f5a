"""What a sentence claims that its span must say too: numbers, dates, names, negations.

Word overlap hardly notices a wrong year, another's name or a lost "not", and these harm most. The
checks are cautious: what they cannot tell apart counts as missing, which costs a draft its place
and never a quote. They see no roles: "A beat B" and "B beat A" claim the same.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from generation.dates import Date, find_dates
from generation.negations import added, lost, negated_stems
from generation.numerals import numbers
from generation.words import FUNCTION_WORDS, content_stems, fold

Kind = Literal["number", "date", "name", "negation"]

_WORD: Final = re.compile(r"[^\W\d_][^\W_]*")
_OPENING: Final = re.compile(r"(?:^|[.:!?…¿¡\"“«(\[])[\s\"“«'(\[¿¡]*$")
# A sentence opens with a capital, whatever its first word is. These are no names.
_OPENERS_TEXT: Final = """
    according additionally also answer based because besides both currently despite each every
    finally first furthermore however instead likewise moreover nevertheless note originally overall
    people several similarly since sometimes therefore though thus today together unlike usually
    various yes actualmente ademas adicionalmente ambas ambos aproximadamente asi cada dado debido
    despues entonces finalmente gracias hoy luego originalmente personas primero respuesta segun
    tanto varias varios
"""
_OPENERS: Final = frozenset(_OPENERS_TEXT.split())
_ROMAN: Final = re.compile(r"[IVX]{1,5}")
_ORDINARY_ENDINGS: Final = ("ly", "ing", "ed", "mente", "ando", "iendo", "ado", "ada", "ido", "ida")


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that a sentence says and its span does not, in folded text."""

    kind: Kind
    text: str


def missing_claims(sentence: str, span: str) -> list[Missing]:
    """The claims of a sentence that a span does not make; the negations of either must agree."""
    dates, rest = find_dates(sentence)
    in_dates = {word for date in dates for word in date.text.split()}
    return [
        *_missing_dates(dates, span),
        *_missing_numbers(rest, span),
        *(item for item in _missing_names(sentence, span) if item.text not in in_dates),
        *_unlike_negations(sentence, span),
    ]


def _missing_dates(dates: Sequence[Date], span: str) -> Iterator[Missing]:
    known, _rest = find_dates(span) if dates else ([], "")
    years = numbers(span) if dates else frozenset()
    for date in dates:
        # the year may stand elsewhere in the span
        year_is_told = date.year is None or str(date.year) in years
        if not year_is_told or not any(date.agrees_with(other) for other in known):
            yield Missing("date", date.text)


def _missing_numbers(rest: str, span: str) -> Iterator[Missing]:
    for number in sorted(numbers(rest) - numbers(span)):
        yield Missing("number", number)


def _missing_names(sentence: str, span: str) -> Iterator[Missing]:
    known = {fold(match.group()) for match in _WORD.finditer(span)}
    acronyms = _acronyms(span)
    for name in dict.fromkeys(names(sentence)):
        if fold(name) not in known and name not in acronyms:
            yield Missing("name", fold(name))


def names(text: str) -> Iterator[str]:
    """Words that begin with a capital for another reason than that a sentence begins there."""
    found = list(_WORD.finditer(text))
    for place, match in enumerate(found):
        word = match.group()
        if place and _is_ordinal(found[place - 1], match):
            yield word
            continue
        if len(word) < 2 or not word[0].isupper() or fold(word) in FUNCTION_WORDS:
            continue
        if _OPENING.search(text[max(0, match.start() - 8) : match.start()]):
            following = found[place + 1].group() if place + 1 < len(found) else ""
            if not following[:1].isupper() and _is_ordinary(word):
                continue
        yield word


def _is_ordinal(before: re.Match[str], match: re.Match[str]) -> bool:
    """Whether a word numbers the name before it: "Isabel I" is not "Isabel II"."""
    name = before.group()
    is_name = name[0].isupper() and fold(name) not in FUNCTION_WORDS and not _is_ordinary(name)
    is_next = match.start() - before.end() == 1
    return is_next and is_name and _ROMAN.fullmatch(match.group()) is not None


def _is_ordinary(word: str) -> bool:
    return fold(word) in _OPENERS or (
        word[1:].islower() and fold(word).endswith(_ORDINARY_ENDINGS) and len(word) > 4
    )


def _acronyms(text: str) -> frozenset[str]:
    """The initials of each run of capitalised words, and of its ends and beginnings."""
    initials = "".join(
        match.group()[0] if match.group()[0].isupper() else " "
        for match in _WORD.finditer(text)
        if fold(match.group()) not in FUNCTION_WORDS
    )
    return frozenset(
        run[start:end]
        for run in initials.split()
        for start in range(len(run))
        for end in range(start + 2, min(len(run), start + 8) + 1)
    )


def _unlike_negations(sentence: str, span: str) -> Iterator[Missing]:
    own, others = negated_stems(sentence), negated_stems(span)
    for text in added(own, others) + lost(own, others, content_stems(sentence)):
        yield Missing("negation", text)
