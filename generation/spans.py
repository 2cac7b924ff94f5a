"""Where words stand in a text, whatever their case and accents. Pure; offsets into the text."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

_MARK: Final = re.compile(r"\s*\[\d{1,3}\]")
_IN_WORD: Final = r"\w\u0300-\u036f"  # accents that stand as characters of their own
_WORD_START: Final = re.compile(rf"(?<![{_IN_WORD}])(?=[{_IN_WORD}])|(?<!\S)(?=\S)")
_WORD_END: Final = re.compile(rf"(?<=[{_IN_WORD}])(?![{_IN_WORD}])|(?<=[^{_IN_WORD}\s])")
# what may stand around words and says nothing of them
AROUND: Final = " \t\n.,;:!?¿¡\"'“”‘’«»()[]"  # noqa: RUF001 - real quotes


def without_marks(text: str) -> str:
    """A text without marks of citations, such as [1]."""
    return _MARK.sub("", text).strip()


def find_span(words: str, text: str) -> str | None:
    """The words as the text spells them, as whole words; None where it does not hold them.

    Case, accents, spaces and punctuation around them are overlooked.
    """
    first = next(_find(words, text), None)
    return None if first is None else " ".join(text[slice(*first)].split())


def find_places(words: str, text: str) -> list[tuple[int, int]]:
    """Where the text holds the words, as `find_span` finds them: start and end of each time."""
    return list(_find(words, text))


def word_starts(text: str) -> list[int]:
    """Where a run of whole words may begin: at a word, or at a sign after a space, such as "$"."""
    return [found.start() for found in _WORD_START.finditer(text)]


def word_ends(text: str) -> list[int]:
    """Where a run of whole words may end: never inside a word, and not after a space."""
    return [found.start() for found in _WORD_END.finditer(text)]


def _find(words: str, text: str) -> Iterator[tuple[int, int]]:
    wanted = words.strip(AROUND) or words.strip()
    if not wanted:
        return
    pattern = r"\s+".join(re.escape(_fold(part)) for part in wanted.split())
    folded, places = _fold_with_places(text)
    for found in re.finditer(rf"(?<!\w){pattern}(?!\w)", folded):
        yield places[found.start()], places[found.end() - 1] + 1


def _fold(text: str) -> str:
    return "".join(map(_fold_char, text))


def _fold_char(char: str) -> str:
    plain = "".join(c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))
    return plain.casefold()


def _fold_with_places(text: str) -> tuple[str, list[int]]:
    """The folded text, and which character of the text each of its characters came from."""
    if text.isascii():
        return text.lower(), list(range(len(text)))
    folded, places = [], []
    for place, char in enumerate(text):
        for plain in _fold_char(char):
            folded.append(plain)
            places.append(place)
    return "".join(folded), places
