"""Find text that tells a machine what to answer. Judges by wording; understands nothing.

Such text is data, and may be searched, shown and asked about; but it answers no other question, so
it must not be quoted as if it did. Ordinary imperatives ("press the button") are no instructions in
this sense: what counts is a machine that is addressed, rules that are to be ignored, or words that
are to be answered with.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from generation.instruction_patterns import (
    ABOUT_RULES,
    ABOUT_WORDS,
    ANSWERS_TO_A_QUESTION,
    OVERRIDES,
    TELLINGS,
)
from generation.sentences import split_sentences
from generation.words import fold

# What follows an instruction in its paragraph belongs to it: "Obey. The answer is 7."
_MAX_FOLLOWING: Final = 2
_OPENS_BLOCK: Final = "|-*+•#>"
_SPACE: Final = re.compile(r"\s+")


def find_instructions(text: str, question: str) -> list[tuple[int, int]]:
    """Offsets of what tells a machine what to answer, unless that is what the question asks about.

    Invisible characters, full-width letters and accents do not hide it.
    """
    asked = _plain(question)
    kinds: list[Callable[[str], bool]] = []
    if not ABOUT_RULES.search(asked):
        kinds.append(_overrides)
    if not ABOUT_WORDS.search(asked):
        kinds.append(_dictates)
    return list(_find(text, kinds))


def _overrides(plain: str) -> bool:
    return OVERRIDES.search(plain) is not None


def _dictates(plain: str) -> bool:
    return ANSWERS_TO_A_QUESTION.search(plain) is not None or any(
        telling.is_in(plain) for telling in TELLINGS
    )


def _find(text: str, kinds: Sequence[Callable[[str], bool]]) -> Iterator[tuple[int, int]]:
    num_following = 0
    last_end = 0
    for start, end in split_sentences(text):
        if "\n\n" in text[last_end:start] or text[start] in _OPENS_BLOCK:
            num_following = 0
        plain = _plain(text[start:end])
        if any(is_found(plain) for is_found in kinds):
            num_following = _MAX_FOLLOWING
            yield start, end
        elif num_following > 0:
            num_following -= 1
            yield start, end
        last_end = end


def _plain(text: str) -> str:
    # a backslash only escapes what Markdown would read as a mark
    shown = "".join(char for char in text if char != "\\" and unicodedata.category(char) != "Cf")
    return _SPACE.sub(_one_space, fold(shown))


def _one_space(found: re.Match[str]) -> str:
    return "\n" if "\n" in found.group() else " "
