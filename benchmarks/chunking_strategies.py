"""Ways to cut a text, ours and others'. Each gives what is embedded and what is handed over."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from langchain_text_splitters import RecursiveCharacterTextSplitter

from core.embedding import Embedder, Vectors
from core.tokens import Offsets, Tokens
from generation.sentences import split_sentences
from ingestion.chunking import ChunkSize, chunk, embedding_text
from ingestion.parsing.document import ParsedDocument
from ingestion.parsing.markdown import find_headings

# How cutting was done before it went by structure and tokens: LangChain's splitter in characters,
# with separators of our own.
_FORMER_SEPARATORS: Final = [
    r"\n\s*\n",
    r"\n(?=[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t])",
    r"(?<=[.!?…:;])\s+",
    r"\n",
    r"\s",
    "",
]
_NEAR: Final = 2  # sentences on either side
_SEMANTIC_PERCENTILE: Final = 80.0


@dataclass(frozen=True, slots=True)
class Corpus:
    """A text, and where the model's tokens are in it."""

    name: str
    text: str
    starts: Offsets

    def count(self, start: int, end: int) -> int:
        """Tokens that begin in a slice."""
        first, last = np.searchsorted(self.starts, (start, end))
        return int(last - first)


@dataclass(frozen=True, slots=True)
class Piece:
    """A slice that is handed over when `embedded` is found."""

    start: int
    end: int
    embedded: str


@dataclass(frozen=True, slots=True)
class Model:
    """What a strategy may ask of the embedding model."""

    embedder: Embedder
    tokens: Tokens


Strategy = Callable[[Corpus, Model], Iterator[Piece]]


@dataclass(frozen=True, slots=True)
class _Known:
    """The tokens of one text, which are known already."""

    max_tokens: int
    offsets: Offsets

    def starts(self, _text: str) -> Offsets:
        return self.offsets


def structure(max_tokens: int, overlap_tokens: int) -> Strategy:
    """Ours."""

    def cut(corpus: Corpus, model: Model) -> Iterator[Piece]:
        parsed = ParsedDocument(corpus.text, headings=tuple(find_headings(corpus.text)))
        known = _Known(model.tokens.max_tokens, corpus.starts)
        for span in chunk(parsed, known, ChunkSize(max_tokens, overlap_tokens)):
            embedded = embedding_text(corpus.name, span, corpus.text, model.tokens)
            yield Piece(span.start, span.end, embedded)

    return cut


def fixed(max_tokens: int, overlap_tokens: int) -> Strategy:
    """Windows of so many tokens, whatever they hold."""

    def cut(corpus: Corpus, _model: Model) -> Iterator[Piece]:
        offsets = [*corpus.starts.tolist(), len(corpus.text)]
        for first in range(0, len(offsets) - 1, max_tokens - overlap_tokens):
            last = min(first + max_tokens, len(offsets) - 1)
            yield _piece(corpus, offsets[first], offsets[last])
            if last == len(offsets) - 1:
                return

    return cut


def recursive(max_tokens: int, overlap_tokens: int) -> Strategy:
    """LangChain's RecursiveCharacterTextSplitter as it comes, sized in the embedder's tokens."""

    def cut(corpus: Corpus, model: Model) -> Iterator[Piece]:
        splitter = RecursiveCharacterTextSplitter(
            chunk_size=max_tokens,
            chunk_overlap=overlap_tokens,
            length_function=lambda text: len(model.tokens.starts(text)),
            add_start_index=True,
        )
        yield from _langchain(corpus, splitter)

    return cut


def former(corpus: Corpus, _model: Model) -> Iterator[Piece]:
    """Ours before: at most 900 characters, 120 of them shared."""
    splitter = RecursiveCharacterTextSplitter(
        separators=_FORMER_SEPARATORS,
        is_separator_regex=True,
        keep_separator=True,
        chunk_size=900,
        chunk_overlap=120,
        add_start_index=True,
    )
    yield from _langchain(corpus, splitter)


def sentence_window(corpus: Corpus, _model: Model) -> Iterator[Piece]:
    """Every sentence is embedded; it is handed over with its neighbours."""
    places = list(split_sentences(corpus.text))
    for index, (start, end) in enumerate(places):
        first = places[max(0, index - _NEAR)][0]
        last = places[min(len(places) - 1, index + _NEAR)][1]
        yield Piece(first, last, _piece(corpus, start, end).embedded)


def semantic(max_tokens: int) -> Strategy:
    """Cut where two sentences in a row are least alike, or where a chunk is full."""

    def cut(corpus: Corpus, model: Model) -> Iterator[Piece]:
        places = list(split_sentences(corpus.text))
        vectors = _sentence_vectors(corpus, places, model)  # (S, D)
        distances = 1 - np.sum(vectors[1:] * vectors[:-1], axis=1)  # (S - 1,)
        far = np.percentile(distances, _SEMANTIC_PERCENTILE)
        start = places[0][0]
        for (_, end), (_, following), distance in zip(places, places[1:], distances, strict=False):
            if distance > far or corpus.count(start, following) > max_tokens:
                yield _piece(corpus, start, end)
                start = end
        yield _piece(corpus, start, places[-1][1])

    return cut


def _sentence_vectors(corpus: Corpus, places: list[tuple[int, int]], model: Model) -> Vectors:
    texts = [_piece(corpus, start, end).embedded for start, end in places]
    return model.embedder.embed_passages(texts)


def _langchain(corpus: Corpus, splitter: RecursiveCharacterTextSplitter) -> Iterator[Piece]:
    for found in splitter.create_documents([corpus.text]):
        start = found.metadata["start_index"]
        yield _piece(corpus, start, start + len(found.page_content))


def _piece(corpus: Corpus, start: int, end: int) -> Piece:
    # every strategy is told the name of the document, as ours is
    return Piece(start, end, f"{corpus.name}\n{corpus.text[start:end]}")


_SIZES: Final = ((96, 0), (128, 0), (128, 20), (160, 0), (160, 24), (200, 0), (200, 32), (300, 0))

STRATEGIES: Final[Mapping[str, Strategy]] = {
    "former_900c_120": former,
    "fixed_200_0": fixed(200, 0),
    "fixed_200_32": fixed(200, 32),
    "recursive_128_0": recursive(128, 0),
    "recursive_200_0": recursive(200, 0),
    "recursive_300_0": recursive(300, 0),
    "sentence_window_2": sentence_window,
    "semantic_300": semantic(300),
    **{f"structure_{size}_{overlap}": structure(size, overlap) for size, overlap in _SIZES},
}
