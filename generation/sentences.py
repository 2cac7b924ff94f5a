"""Cut text into sentences by rules for English and Spanish. Offsets only: text is never changed.

First blocks, by lines: paragraphs, headings, list items, table rows and the lines of a title page.
Then sentences inside each block, by stops.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

# A stop, optional closing quotes, brackets or [1], white space, and what can open a sentence.
# Possessive, and only where a run of stops begins: else a run of n would be read n times.
_STOP: Final = re.compile(
    r"""(?<![.!?…])(?P<stop>[.!?…]++["'”’»)\]]*+(?:\[\d{1,3}\])*+)\s++"""  # noqa: RUF001 - real quotes
    r"""(?=["'“‘«(\[¿¡]*+[\w$€£])"""  # noqa: RUF001 - real quotes
)
_ABBREVIATION: Final = re.compile(
    r"(?<!\w)(?:[A-ZÁÉÍÓÚÑ]|Mr|Mrs|Ms|Dr|Drs|Prof|St|Mt|Sr|Jr|Gen|Col|Lt|Sgt|Capt|Rev|Hon|Vol|Fig|"
    r"Figs|Eq|Sec|Ch|p|pp|v|vs|etc|cf|al|ca|approx|Inc|Ltd|Co|Corp|[eE]\.g|[iI]\.e|"
    r"[UuPpAa]\.[SsMmKk]|Sra|Srta|Dra|Ud|Uds|Vd|pág|págs|núm|núms|art|arts|cap|aprox|EE|UU|a\.C|"
    r"d\.C|p\.ej|ej)\.$"
)
# Words of their own, which are abbreviations only before a number.
_BEFORE_NUMBER: Final = re.compile(
    r"(?<!\w)(?i:nos?|figs?|vols?|secs?|caps?|arts?|págs?|núms?|jan|ene|feb|mar|apr|abr|jun|jul|aug|"
    r"ago|sept?|oct|nov|dec|dic)\.$"
)
_LIST_NUMBER: Final = re.compile(r"\s{0,20}+\d{1,3}\.")
_LONGEST_ABBREVIATION: Final = 12

_OPENS_BLOCK: Final = re.compile(r"\s*(?:[-*•+]\s|\d{1,3}[.)]\s|#{1,6}\s|\||>|```|!!!|///)")
_WHOLE_LINE: Final = re.compile(r"\s*(?:#{1,6}\s|\||```)")
_GOES_ON: Final = (",", ";", ":", "-", "–", "(", "/")  # noqa: RUF001 - a real dash
# Longer lines than this are paragraphs, not the lines of wrapped text.
_MAX_WRAP_CHARS: Final = 130
# Wrapped text fills its lines; one that ends well before the margin ends a block.
_FULL_LINE: Final = 0.7


def split_sentences(text: str, *, wrapped: bool = True) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of every sentence, without the white space around it.

    In order, without overlap; together they hold every character that is not white space.
    wrapped: a sentence may go on in the next line. A model's own lines do not: each is its own.
    """
    for block_start, block_end in _blocks(text, wrapped=wrapped):
        start = block_start
        for found in _STOP.finditer(text, block_start, block_end):
            end = found.end("stop")
            if _goes_on(text, start, end, opening=text[found.end()]):
                continue
            yield from _trimmed(text, start, end)
            start = found.end()
        yield from _trimmed(text, start, block_end)


def _blocks(text: str, *, wrapped: bool) -> Iterator[tuple[int, int]]:
    lines = text.split("\n")
    margin = max((width for width in map(_width, lines) if width <= _MAX_WRAP_CHARS), default=0)
    start = 0
    for has_text, group in groupby(lines, key=lambda line: bool(line.strip())):
        paragraph = list(group)
        if has_text:
            wraps = wrapped and max(map(_width, paragraph)) <= _MAX_WRAP_CHARS
            yield from _paragraph_blocks(paragraph, start, margin if wraps else 0)
        start += sum(len(line) + 1 for line in paragraph)


def _width(line: str) -> int:
    # a table row or heading says nothing of the margin
    return 0 if _WHOLE_LINE.match(line) else len(line)


def _paragraph_blocks(lines: Sequence[str], start: int, wrap: int) -> Iterator[tuple[int, int]]:
    end = start
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        end += len(line) + 1
        if _ends_block(line, following, wrap):
            yield start, end - 1
            start = end


def _ends_block(line: str, following: str, wrap: int) -> bool:
    """Whether a block ends between two lines; `wrap` is the margin, 0 where lines do not wrap."""
    line, opening = line.strip(), following.strip()
    if not line or not opening or wrap == 0:
        return True
    if _OPENS_BLOCK.match(following) or _WHOLE_LINE.match(line):
        return True
    if len(line) >= _FULL_LINE * wrap or line.endswith(_GOES_ON):
        return False
    return not opening[0].islower()


def _goes_on(text: str, start: int, end: int, *, opening: str) -> bool:
    """Whether a sentence goes on after the stop at `end`, with the character `opening`."""
    if opening.islower():  # also after "?" and "!": He asked "Why?" and left
        return True
    window = max(start, end - _LONGEST_ABBREVIATION)
    if _ABBREVIATION.search(text, window, end) or _LIST_NUMBER.fullmatch(text, start, end):
        return True
    return opening.isdigit() and _BEFORE_NUMBER.search(text, window, end) is not None


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield start, end
