"""The numbers of a text, in digits or in words, as one spelling. Pure; English and Spanish."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from generation.words import plain_number, tokens

# Longer ones are codes, and what is exact about them are their digits.
_MAX_DIGITS: Final = 18

# "one" and "uno" are missing: they are rarely meant as a number.
_ENGLISH: Final = (
    "zero - two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_SPANISH: Final = (
    "cero - dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince "
    "dieciseis diecisiete dieciocho diecinueve veinte veintiuno veintidos veintitres veinticuatro "
    "veinticinco veintiseis veintisiete veintiocho veintinueve"
)
_TENS: Final = (
    "twenty thirty forty fifty sixty seventy eighty ninety",
    "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
)
_HUNDREDS: Final = (
    "ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos "
    "novecientos"
)
_VALUES: Final[dict[str, int]] = {
    **{word: n for text in (_ENGLISH, _SPANISH) for n, word in enumerate(text.split()) if n != 1},
    **{word: n * 10 for text in _TENS for n, word in enumerate(text.split(), start=2)},
    **{word: n * 100 for n, word in enumerate(_HUNDREDS.split(), start=1)},
    **{word[:-2] + "as": n * 100 for n, word in enumerate(_HUNDREDS.split(), 1) if n > 1},
    "cien": 100,
}
# The long scale is meant by "billón", the short one by "billion".
_FACTORS: Final[dict[str, int]] = {
    "hundred": 100,
    "thousand": 10**3,
    "mil": 10**3,
    "million": 10**6,
    "millions": 10**6,
    "millon": 10**6,
    "millones": 10**6,
    "billion": 10**9,
    "billions": 10**9,
    "billon": 10**12,
    "billones": 10**12,
    "trillion": 10**12,
}
_JOINTS: Final = ("and", "y")


def numbers(text: str) -> frozenset[str]:
    """The numbers of the text: 1.000 is 1,000, "doce" is 12, "1.5 million" is 1500000."""
    return frozenset(_read(text))


def _read(text: str) -> Iterator[str]:
    number = _Number()
    for token in tokens(text):
        if token[0].isdigit():
            yield from number.end()
            digits = plain_number(token)
            # a date, a version or a code never grows, so the words after it are another number
            if len(digits) > _MAX_DIGITS or digits.count(".") > 1:
                yield _as_written(digits)
            else:
                number.begin(digits)
        elif token in _FACTORS:
            number.multiply(_FACTORS[token])
        elif token in _VALUES:
            if not number.can_add(_VALUES[token]):
                yield from number.end()
            number.add(_VALUES[token])
        elif token not in _JOINTS:
            yield from number.end()
    yield from number.end()


def _as_written(digits: str) -> str:
    # 3.10 may be a version, which is not 3.1
    return digits if "." in digits else digits.lstrip("0") or "0"


class _Number:
    """A number that is being read: what is complete, and the part that may still grow."""

    def __init__(self) -> None:
        self._whole = Decimal(0)
        self._part: Decimal | None = None
        self._digits = ""
        self._grows = False

    def begin(self, digits: str) -> None:
        self._digits = digits
        self._part = Decimal(digits)

    def can_add(self, value: int) -> bool:
        if self._part is None:
            return True
        if not self._grows or value >= 100:
            return False
        tens = self._part % 100
        return tens == 0 or (tens >= 20 and tens % 10 == 0 and value < 10)

    def add(self, value: int) -> None:
        self._part = (self._part or Decimal(0)) + value
        self._grows = True

    def multiply(self, factor: int) -> None:
        part = Decimal(1) if self._part is None else self._part
        self._digits, self._grows = "", True
        if factor == 100:
            self._part = part * factor
        elif self._whole and self._part is None:
            self._whole *= factor  # "mil millones"
        else:
            self._whole += part * factor
            self._part = None

    def end(self) -> Iterator[str]:
        if self._digits:
            yield _as_written(self._digits)
        elif self._part is not None or self._whole:
            yield f"{(self._whole + (self._part or 0)).normalize():f}"
        self._whole, self._part, self._digits, self._grows = Decimal(0), None, "", False
