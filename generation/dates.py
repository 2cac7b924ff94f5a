"""The dates of a text, English or Spanish, whole or in part. Pure; knows no calendar."""

import re
from dataclasses import dataclass
from typing import Final

from generation.words import fold

_NAMES: Final = (
    "january|enero|jan|ene",
    "february|febrero|feb",
    "march|marzo|mar",
    "april|abril|apr|abr",
    "may|mayo",
    "june|junio|jun",
    "july|julio|jul",
    "august|agosto|aug|ago",
    "september|septiembre|setiembre|sept|sep|set",
    "october|octubre|oct",
    "november|noviembre|nov",
    "december|diciembre|dec|dic",
)
_NUMBER_OF: Final = {
    name: number for number, names in enumerate(_NAMES, start=1) for name in names.split("|")
}
_MONTH: Final = rf"(?P<month>{'|'.join(_NUMBER_OF)})\b\.?"
_DAY: Final = r"(?<!\d)(?P<day>\d{1,2})(?!\d)(?:st|nd|rd|th|\.)?"
_YEAR: Final = r"(?P<year>\d{4})(?!\d)"
_OF: Final = r"(?:(?:of|del?|the)\s+)?"
_PATTERNS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?<!\d)(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})(?!\d)",
        rf"{_DAY}\s+{_OF}{_MONTH}(?:,?\s+{_OF}{_YEAR})?",
        rf"\b{_MONTH}\s+{_OF}{_DAY}(?:,?\s+{_YEAR})?",
        rf"\b{_MONTH},?\s+{_OF}{_YEAR}",
        # alone only after a word that makes it a month: "may" and "march" are verbs too
        r"\b(?:in|en|since|desde|until|hasta|by|during|durante|from|of|early|late)\s+" + _MONTH,
    )
)


@dataclass(frozen=True, slots=True)
class Date:
    """A date as far as the text tells it, and the words that do."""

    day: int | None
    month: int
    year: int | None
    text: str

    def agrees_with(self, other: "Date") -> bool:
        """Whether what this date tells is what the other tells; it may leave its year open."""
        return (
            self.month == other.month
            and self.day in (None, other.day)
            and (other.year is None or self.year in (None, other.year))
        )


def find_dates(text: str) -> tuple[list[Date], str]:
    """The dates of a text, and the folded text without them."""
    rest = fold(text)
    found: list[Date] = []
    for pattern in _PATTERNS:
        found += [_date(match) for match in pattern.finditer(rest)]
        rest = pattern.sub(" ", rest)
    return found, rest


def _date(match: re.Match[str]) -> Date:
    parts = match.groupdict()
    month = parts["month"]
    return Date(
        day=int(parts["day"]) if parts.get("day") else None,
        month=int(month) if month.isdigit() else _NUMBER_OF[month],
        year=int(parts["year"]) if parts.get("year") else None,
        text=match.group().strip(),
    )
