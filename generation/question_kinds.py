"""What a question asks for, and whether a text holds such a thing. Reads words, not meaning."""

import re
from collections.abc import Callable, Iterator
from typing import Final, Literal

from generation.claims import names
from generation.dates import find_dates
from generation.numerals import numbers
from generation.words import fold

Kind = Literal["time", "amount", "person", "place"]

_ASKED: Final[dict[Kind, re.Pattern[str]]] = {
    "time": re.compile(
        r"\b(?:when|(?:what|which) (?:year|date|day|month|century|decade)|cuando|"
        r"(?:que|cual) (?:ano|fecha|dia|mes|siglo|decada))\b"
    ),
    "amount": re.compile(
        r"\b(?:how (?:many|much|long|old|far|tall|large|big|often)|what (?:percentage|"
        r"percent|number|amount)|cuant[oa]s?|que (?:porcentaje|numero|cantidad))\b"
    ),
    "person": re.compile(r"\b(?:who|whom|whose|quien|quienes)\b"),
    "place": re.compile(
        r"\b(?:where|(?:what|which) (?:city|country|state|town)|donde|que (?:ciudad|pais|estado))\b"
    ),
}
_SPELLED_TIME: Final = re.compile(
    r"\b(?:1\d{3}|20\d\d|century|siglo|decades?|decadas?|years?|anos?|o'clock|morning|manana|"
    r"monday|tuesday|wednesday|thursday|friday|saturday|sunday|lunes|martes|miercoles|jueves|viernes|"
    r"sabado|domingo)\b"
)


def asked_kinds(question: str) -> Iterator[Kind]:
    """The kinds of things that the question's words ask for; none for most questions."""
    plain = fold(question)
    return (kind for kind, pattern in _ASKED.items() if pattern.search(plain))


def holds_kind(kind: Kind, text: str, question: str) -> bool:
    """Whether a text holds something of this kind that the question does not name itself."""
    return _HOLDS[kind](text, question)


def _holds_time(text: str, question: str) -> bool:
    plain = fold(text)
    return bool(find_dates(text)[0] or _SPELLED_TIME.search(plain) or _holds_amount(text, question))


def _holds_amount(text: str, question: str) -> bool:
    return not numbers(text) <= numbers(question)


def _holds_name(text: str, question: str) -> bool:
    return not set(map(fold, names(text))) <= set(map(fold, names(question)))


_HOLDS: Final[dict[Kind, Callable[[str, str], bool]]] = {
    "time": _holds_time,
    "amount": _holds_amount,
    "person": _holds_name,
    "place": _holds_name,
}
