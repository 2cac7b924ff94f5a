"""Make texts fit to learn from, by rules that hold in any language. Pure: no files.

Cleaning changes characters and drops lines; rejection drops whole texts. Figures are for prose and
source code alike; the compression rule follows the repetition filters of Gopher (Rae et al. 2021,
appendix A.1.1), in one measure that needs no word boundaries.
"""

import re
import unicodedata
import zlib
from collections import Counter
from typing import Final

MIN_WORD_SHARE: Final = 0.5  # of visible characters; marks of Indic scripts count as others
MAX_BROKEN_SHARE: Final = 0.001  # U+FFFD: bytes that somebody decoded wrongly before us
MIN_COMPRESSED_SHARE: Final = 0.08  # prose is near 0.4, source code 0.2, endless repetition 0.01
MAX_BOILERPLATE_CHARS: Final = 60
MAX_REPEATS: Final = 3
MAX_MARKS: Final = 30  # on one letter: the Stream-Safe Text Format of Unicode's annex 15

# C0 and C1 controls but tab and newline, soft hyphens, byte-order marks, halves of characters
_UNWANTED: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\ufeff\ud800-\udfff]")
_LINE_ENDS: Final = re.compile("\r\n?|\u2028|\u2029|\x85")
_ODD_SPACES: Final = re.compile("[\xa0\u2000-\u200a\u202f\u205f]")
_ENCODED: Final = re.compile(r"[!-~]{500,}")  # base64, minified code: no language has such words
_UNUSUAL_RUN: Final = re.compile(rf"[^\w\s!-~]{{{MAX_MARKS + 1},}}")
_TRAILING: Final = re.compile(r"[ \t]+$", re.MULTILINE)
_BLANK_LINES: Final = re.compile(r"\n{3,}")
_DIGITS: Final = re.compile(r"\d+")
_NOT_WORDS: Final = re.compile(r"[\W_]+")
_SPACES: Final = re.compile(r"\s+")


def clean(text: str) -> str:
    """The same text in NFC, without control characters, encoded data and page furniture."""
    text = _LINE_ENDS.sub("\n", text)
    # normalising takes quadratic time in the marks on one letter: seven seconds for 100,000
    text = _UNUSUAL_RUN.sub(_thin_marks, _UNWANTED.sub("", text))
    text = unicodedata.normalize("NFC", text)
    text = _ENCODED.sub("", _ODD_SPACES.sub(" ", text))
    text = _drop_boilerplate(_TRAILING.sub("", text))
    return _BLANK_LINES.sub("\n\n", text).strip("\n")


def find_fault(text: str, *, min_chars: int) -> str | None:
    """Why a cleaned text is not worth learning from; None when it is."""
    if len(text) < min_chars:
        return "too short"
    visible = len(_SPACES.sub("", text))
    if text.count("\ufffd") > MAX_BROKEN_SHARE * visible:
        return "wrongly decoded"
    if len(_NOT_WORDS.sub("", text)) < MIN_WORD_SHARE * visible:
        return "few letters"
    data = text.encode("utf-8")
    if len(zlib.compress(data, 1)) < MIN_COMPRESSED_SHARE * len(data):
        return "repetitive"
    return None


def _thin_marks(match: re.Match[str]) -> str:
    kept: list[str] = []
    num_marks = 0
    for char in match.group():
        num_marks = num_marks + 1 if unicodedata.combining(char) else 0
        if num_marks <= MAX_MARKS:
            kept.append(char)
    return "".join(kept)


def _drop_boilerplate(text: str) -> str:
    """Drop short lines that come back again and again: page headers, footers, buttons.

    Digits are ignored ("Page 3 of 9"). Lines that end in punctuation stay (speakers of a play,
    refrains), and so do those that do not begin with a letter or digit at the margin (code, lists,
    tables, headings).
    """
    lines = text.split("\n")
    keys = [_boilerplate_key(line) for line in lines]
    repeats = Counter(key for key in keys if key)
    return "\n".join(
        line for line, key in zip(lines, keys, strict=True) if repeats[key] <= MAX_REPEATS
    )


def _boilerplate_key(line: str) -> str:
    if not line or len(line) > MAX_BOILERPLATE_CHARS or not line[0].isalnum():
        return ""
    if unicodedata.category(line[-1]).startswith("P"):
        return ""
    return _DIGITS.sub("0", line.casefold())
