"""Tie every sentence of an answer to the exact span it rests on. The spans are given, not made."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from generation.claims import missing_claims
from generation.evidence import Evidence
from generation.quoting import as_read
from generation.sentences import split_sentences
from generation.support import lexical_support
from generation.types import Citation, Sentence

# Below this share of its words and pairs, a sentence counts as not in the documents.
MIN_SUPPORT: Final = 0.6


@dataclass(frozen=True, slots=True)
class CheckedText:
    """A text with every sentence tied to its span or marked unsupported (support 0, no span)."""

    text: str
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]

    @property
    def num_supported(self) -> int:
        """Sentences that rest on a span."""
        return sum(bool(sentence.citations) for sentence in self.sentences)


def check_text(text: str, spans: Sequence[Evidence]) -> CheckedText:
    """Cite the best span for each sentence; a place that is cited twice keeps its number."""
    cited: dict[tuple[str, int, int], Citation] = {}
    sentences = []
    for start, end in _bounds(text, spans):
        support, span = best_span(text[start:end], spans)
        numbers: tuple[int, ...] = ()
        if span is not None:
            citation = _cite(cited, span, support)
            numbers = (citation.n,)
        sentences.append(Sentence(start, end, support, numbers))
    return CheckedText(text, tuple(sentences), tuple(cited.values()))


def best_span(sentence: str, spans: Sequence[Evidence]) -> tuple[float, Evidence | None]:
    """The span that supports a sentence best, and how well; 0 and None where none does.

    A span that lacks a number, date or name of the sentence, or differs from it in what is denied,
    does not support it, whatever words they share. A quote of the span is supported wholly.
    """
    # max keeps the first of equals, and spans come in order of relevance
    scored = [(support_of(sentence, span.text), span) for span in spans]
    support, span = max(scored, key=lambda pair: pair[0], default=(0.0, None))
    return (support, span) if support >= MIN_SUPPORT else (0.0, None)


def support_of(sentence: str, span: str) -> float:
    """How well a span supports a sentence: 0, or at least `MIN_SUPPORT`; 1 for a quote of it."""
    # equal, not contained: "5 km" is in "15 km", and "it is" is in almost anything
    if sentence in (span, as_read(span)):
        return 1.0
    support = lexical_support(sentence, span)
    # in this order, because few spans come near and the claims take longer to read
    return support if support >= MIN_SUPPORT and not missing_claims(sentence, span) else 0.0


def _bounds(text: str, spans: Sequence[Evidence]) -> Iterator[tuple[int, int]]:
    quotes = {as_read(span.text) for span in spans}
    start = 0
    for line in text.split("\n"):
        if line in quotes:
            # a quote is one sentence, whatever stops it holds
            yield start, start + len(line)
        else:
            for sentence in split_sentences(line, wrapped=False):
                yield start + sentence[0], start + sentence[1]
        start += len(line) + 1


def _cite(cited: dict[tuple[str, int, int], Citation], span: Evidence, support: float) -> Citation:
    place = (span.passage.version_id, span.start, span.end)
    known = cited.get(place)
    citation = Citation(
        n=known.n if known else len(cited) + 1,
        passage=span.passage,
        start=span.start,
        end=span.end,
        page=span.passage.page,
        quote=span.text,
        support=max(support, known.support) if known else support,
    )
    cited[place] = citation
    return citation
