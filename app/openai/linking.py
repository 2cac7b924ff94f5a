"""An answer as Markdown with links to its sources, for clients that drop what they do not know.

Nothing in it is a link, a picture or HTML unless it was put there here: what documents say is
escaped. Pure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.api.answer_schemas import AnswerOut, CitationOut
from core.redaction import Source

_MARKUP: Final = re.compile(r"([\\\[\]<])")
_ESCAPED: Final = re.compile(r"\\([\\\[\]<])")
_LINK: Final = re.compile(
    r" ?(?<!\\)\[\d+\]\(\S*?/documents/([^/\s)?]+)\?version=(\d{1,9})[^)\s]*\)"
)


@dataclass(frozen=True, slots=True)
class Link:
    """A citation as a Markdown link in the text: where it stands, and where it leads."""

    start: int
    end: int
    url: str
    title: str

    def annotation(self) -> dict[str, Any]:
        """As OpenAI annotates a text."""
        return {
            "type": "url_citation",
            "start_index": self.start,
            "end_index": self.end,
            "url": self.url,
            "title": self.title,
        }


@dataclass(frozen=True, slots=True)
class LinkedText:
    """The text in pieces, each a sentence with its links; joined they are the whole."""

    pieces: tuple[str, ...]
    links: tuple[Link, ...]

    @property
    def text(self) -> str:
        """The whole."""
        return "".join(self.pieces)


def link_citations(answer: AnswerOut, base_url: str) -> LinkedText:
    """Put after every sentence links to the places that it rests on."""
    cited: Mapping[int, CitationOut] = {each.n: each for each in answer.citations}
    pieces: list[str] = []
    links: list[Link] = []
    length = done = 0
    for sentence in answer.sentences:
        piece = _escape(answer.answer[done : sentence.end])
        done = sentence.end
        for number in sentence.citations:
            url = _url(cited[number], base_url)
            start = length + len(piece) + 1
            piece += f" [{number}]({url})"
            links.append(Link(start, length + len(piece), url, cited[number].document_name))
        pieces.append(piece)
        length += len(piece)
    if rest := answer.answer[done:]:
        pieces.append(_escape(rest))
    return LinkedText(tuple(pieces), tuple(links))


def unlink(text: str) -> tuple[str, frozenset[Source]]:
    """The answer that such a text was made of, and the versions that its links lead to."""
    sources = frozenset((match[1], int(match[2])) for match in _LINK.finditer(text))
    return _ESCAPED.sub(r"\1", _LINK.sub("", text)), sources


def _escape(text: str) -> str:
    return _MARKUP.sub(r"\\\1", text)


def _url(citation: CitationOut, base_url: str) -> str:
    page = f"#page={citation.page}" if citation.page else ""
    return f"{base_url}/documents/{citation.document_id}?version={citation.version}{page}"
