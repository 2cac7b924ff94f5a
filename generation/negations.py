"""What a text denies: each negation with the words it reaches. Pure; English and Spanish.

A rule of thumb, not a parser: a negation reaches the next few words of its clause. What is denied
by a word's meaning ("refused", "unable") is not seen.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from generation.words import content_stems, fold

_SHORT: Final = re.compile(r"(?<=[a-z])n['’]t\b")  # noqa: RUF001 - a real apostrophe
_CANNOT: Final = re.compile(r"\bcannot\b")
_CLAUSE_END: Final = re.compile(
    r"[,;:.!?()—]+(?=\s|$)|\b(?:but|pero|sino|although|though|aunque|because|porque)\b"
)
_NEGATION: Final = re.compile(
    r"\b(?:not|never|nor|neither|none|nobody|nothing|nowhere|without|nunca|jamas|sin|ni|tampoco|"
    r"ningun[oa]?|nadie|nada|no)\b"
    # these deny nothing: "not only", "sin embargo", "no. 5"
    r"(?!\s+(?:only|just|merely|solo|solamente|unicamente|embargo|obstante|duda)\b|\.?\s*\d)"
)
_MAX_REACH: Final = 3


def negated_stems(text: str) -> list[tuple[str, ...]]:
    """The stems that each negation of the text reaches, nearest first; none is empty."""
    plain = _CANNOT.sub("can not", _SHORT.sub(" not", fold(text)))
    return [reach for clause in _CLAUSE_END.split(plain) for reach in _reaches(clause) if reach]


def _reaches(clause: str) -> Iterator[tuple[str, ...]]:
    found = list(_NEGATION.finditer(clause))
    ends = [*(match.start() for match in found[1:]), len(clause)]
    for match, end in zip(found, ends, strict=False):
        # as far as the next one: in "not used without a permit" the use is denied, not the permit
        after = content_stems(clause[match.end() : end]) or content_stems(clause[match.end() :])
        # "I think not": what is denied stands before
        before = content_stems(clause[: match.start()])[::-1]
        yield tuple((after or before)[:_MAX_REACH])


def added(own: Sequence[tuple[str, ...]], others: Sequence[tuple[str, ...]]) -> list[str]:
    """What a text denies, where another, which denies `others`, denies nothing of it."""
    return [" ".join(reach) for reach in own if not _meet(reach, others)]


def lost(
    own: Sequence[tuple[str, ...]], others: Sequence[tuple[str, ...]], stems: Sequence[str]
) -> list[str]:
    """What another text denies and a text of these stems, which denies `own`, says without it."""
    said = [reach for reach in others if _is_said(reach, set(stems))]
    missed = [reach for reach in said if not _meet(reach, own)]
    # one negation does not stand for two: "not without" is not "not with"
    return [" ".join(reach) for reach in missed or said[len(own) :]]


def _meet(reach: tuple[str, ...], others: Sequence[tuple[str, ...]]) -> bool:
    return any(set(reach) & set(other) for other in others)


def _is_said(reach: tuple[str, ...], said: set[str]) -> bool:
    return reach[0] in said or 2 * len(said & set(reach)) > len(reach)
