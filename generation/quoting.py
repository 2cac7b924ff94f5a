"""Choose what to quote, and show it as one reads it. Changes no word."""

import re
from collections.abc import Sequence
from typing import Final

from generation.evidence import Evidence

# A second sentence is quoted where it is nearly as relevant as the first. On 500 XQuAD questions
# over 350 paragraphs the answer then holds the gold for 0.86 in English and in Spanish; with one
# sentence 0.82 and 0.79; with the two best always 0.87 and 0.86, but a third longer.
_MARGIN: Final = 0.03

_LINK: Final = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*(?:\s\"[^\"]*\")?\)")
_BULLET: Final = re.compile(r"^(?:[-*•+]|\d{1,3}[.)])\s+")
_LINE_END_HYPHEN: Final = re.compile(r"(?<=\w-)\n\s*(?=\w)")


def choose_quotes(evidence: Sequence[Evidence]) -> list[Evidence]:
    """The best sentence, and a second where it adds; `evidence` comes best first.

    The same words from another place add nothing. Two sentences of one document come in the order
    of the document.
    """
    best = evidence[0]
    others = (item for item in evidence[1:] if as_read(item.text) != as_read(best.text))
    second = next(others, None)
    if second is None or second.relevance < best.relevance - _MARGIN:
        return [best]
    if second.passage.version_id == best.passage.version_id:
        return sorted([best, second], key=lambda item: item.start)
    return [best, second]


def quotation(quotes: Sequence[Evidence]) -> str:
    """The text of an answer that quotes, one line a quote."""
    return "\n".join(as_read(quote.text) for quote in quotes)


def as_read(text: str) -> str:
    """A span as one reads it: on one line, without the marks of lists, links and emphasis."""
    joined = " ".join(_LINE_END_HYPHEN.sub("", text).split())
    return _LINK.sub(r"\1", _BULLET.sub("", joined)).replace("**", "")
