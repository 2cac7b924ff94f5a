"""Places in a template: `{name}`, nothing else. Finds what would be more than a bare name."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

# In this order, as `str.format` reads them: doubled braces are characters, the rest is a place.
_TOKEN: Final = re.compile(r"\{\{|\}\}|\{[^{}]*\}|[{}]")
_DOUBLED: Final = ("{{", "}}")


@dataclass(frozen=True, slots=True)
class PlaceFault:
    """Something that is no place, or a place that is missing: `snippet` is what was written."""

    snippet: str
    message: str


def check_places(text: str, *, known: Collection[str], needed: Collection[str]) -> list[PlaceFault]:
    """What of a text cannot be filled. A text without faults can be, and runs no code doing so."""
    names = _listed(known)
    faults: list[PlaceFault] = []
    found: set[str] = set()
    for snippet in _snippets(text):
        name = snippet[1:-1]
        if len(snippet) == 1:
            faults.append(PlaceFault(snippet, f"a lone {snippet}: write {snippet * 2} for it"))
        elif name in known:
            found.add(name)
        else:
            faults.append(
                PlaceFault(snippet, f"{snippet[:80]} is no variable; known here: {names}")
            )
    missing = [name for name in needed if name not in found]
    return [*faults, *(PlaceFault("", f"the variable {{{name}}} is missing") for name in missing)]


def find_place(text: str, snippet: str) -> int | None:
    """Offset of the first token that reads like this; None where there is none."""
    tokens = _TOKEN.finditer(text)
    return next((token.start() for token in tokens if token.group() == snippet), None)


def _snippets(text: str) -> Iterator[str]:
    return (token for token in _TOKEN.findall(text) if token not in _DOUBLED)


def _listed(names: Collection[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in names) or "none"
