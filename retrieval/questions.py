"""Questions that ask several things, in English and Spanish, to their parts. Pure rules: no model.

"Who wrote it and when was it filmed?"       -> "Who wrote it", "when was it filmed?"
"Which is older, Sid Haig or Vic Darchinyan?" -> the same with each of the two names alone
"""

import re
from collections.abc import Iterator
from typing import Final

_MAX_PARTS: Final = 4
# Fewer words, such as "and when?", say nothing of what they are about.
_MIN_WORDS: Final = 3

# Spanish ones by their accent: `y que` goes on with a clause.
_ASKING: Final = (
    r"(?:what|which|who|whom|whose|when|where|why|how|"
    r"qué|cuál|cuáles|quién|quiénes|cuándo|cuánto|cuánta|cuántos|cuántas|dónde|cómo)(?![\w'’])"  # noqa: RUF001 - a real apostrophe
)
_BEFORE: Final = r"(?:(?:in|at|by|to|for|en|a|de|con|por|para)\s+)?"
_SENTENCE: Final = re.compile(r"[^?]*\?+|[^?]+$")
_JOINT: Final = re.compile(
    r"\s*,?\s+(?:and\s+also|as\s+well\s+as|y\s+también|y\s+además|así\s+como)\s+"
    rf"|(?:\s*;|\s*,?\s+(?:and|or|y|e|o|u))\s+¿?(?={_BEFORE}{_ASKING})",
    re.IGNORECASE,
)
_CAPITAL: Final = r"[^\W\d_a-zà-öø-ÿ][\w.'’&-]*+"  # noqa: RUF001 - a real apostrophe
_LINK: Final = r"(?:(?:of|the|de|del|la|las|los|el|von|van)\s+)*"
_NAME: Final = rf"{_CAPITAL}(?:\s+{_LINK}(?:{_CAPITAL}|\d[\w.-]*)){{0,7}}"
_PAIR: Final = re.compile(
    rf"\b({_NAME})\s*,?\s+(?:and|or|y|e|o|u)\s+(?:(?:the|el|la)\s+)?({_NAME})"
)
# Capitals that begin a question, and no name.
_OPENING: Final = re.compile(
    rf"(?:(?:{_ASKING}|(?:are|is|was|were|do|does|did|has|have|had|can|could|both|between|besides|in|"
    r"the|son|es|era|eran|fue|fueron|han|ha|hay|entre|tanto|en|el|la|los|las)\b)\s+)+",
    re.IGNORECASE,
)


def split_question(question: str) -> tuple[str, ...]:
    """The parts of a question that asks several things; none where it asks one.

    At most four: of longer lists the rest is found by the whole question only.
    """
    line = " ".join(question.split())
    for split in (_by_sentences, _by_joints, _by_names):
        parts = [part.strip(" ,¿") for part in split(line)]
        if len(parts) > 1 and all(len(part.split()) >= _MIN_WORDS for part in parts):
            return tuple(parts[:_MAX_PARTS])
    return ()


def _by_sentences(question: str) -> list[str]:
    """Several question marks; what stands before a question without one belongs to it."""
    return _SENTENCE.findall(question)


def _by_joints(question: str) -> list[str]:
    return _JOINT.split(question)


def _by_names(question: str) -> Iterator[str]:
    """Two names side by side: the question about each of them."""
    pair = _PAIR.search(question)
    if pair is None:
        return
    opening = _OPENING.match(pair[1])
    first_start = pair.start(1) + (opening.end() if opening else 0)
    yield question[: pair.end(1)] + question[pair.end(2) :]
    yield question[:first_start] + question[pair.start(2) :]
