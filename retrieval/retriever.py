"""A question to passages: the story of this room. Refuses nothing; an empty index gives nothing."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from core.access import Access
from core.database import Database
from core.embedders import Embedders, LoadEmbedder, no_other_model
from core.embedding import Embedder, Vectors
from core.types import Passage
from retrieval.allowing import Allowing
from retrieval.diversity import diversify
from retrieval.duplicates import drop_duplicates
from retrieval.fusion import take_turns
from retrieval.hybrid import Both, Scope, find_dense, find_lexical
from retrieval.lexical.follower import LexicalFollower
from retrieval.neighbours import join_neighbours
from retrieval.passages import load_passages
from retrieval.questions import split_question
from retrieval.reranking import NO_RERANKING, Reranking
from retrieval.segments import SegmentReader
from retrieval.types import PLAIN, Hit, Mode, Refining

# How often a search starts over because documents were deleted while it ran.
_MAX_TRIES: Final = 3
# How many passages different ones are picked from, for each that is wanted.
_PICKED_FROM: Final = 4
# How far a search goes on behind passages that say the same.
_MAX_DEPTH: Final = 512


@dataclass(frozen=True, slots=True)
class _Asked:
    """What one search looks for, and where: a question, and the parts that it is split into."""

    parts: tuple[str, ...]
    access: Access
    mode: Mode
    where: object
    # (P, D) of the parts, by model: another may come in between
    vectors: dict[str, Vectors] = field(default_factory=dict)


class Retriever:
    """Finds passages for questions. Thread-safe."""

    def __init__(
        self,
        database: Database,
        embedder: Embedder,
        segments: SegmentReader,
        lexical: LexicalFollower,
        *,
        other_embedder: LoadEmbedder = no_other_model,
        reranking: Reranking = NO_RERANKING,
    ) -> None:
        self._database = database
        self._allowing = Allowing(database)
        self._embedders = Embedders(database, embedder, other_embedder)
        self._segments = segments
        self._lexical = lexical
        self._reranking = reranking

    @property
    def warm_ups(self) -> dict[str, Callable[[], None]]:
        """What to do ahead of the first question: bring the index here, where it is elsewhere."""
        return {"the index": self._segments.warm} if self._segments.is_elsewhere else {}

    def retrieve(
        self,
        query: str,
        *,
        access: Access,
        top_k: int,
        mode: Mode = Mode.HYBRID,
        where: object = None,
        refining: Refining = PLAIN,
    ) -> list[Passage]:
        """Return at most `top_k` live passages that the caller may see, best first.

        `where` is a filter as `retrieval.filters` has it, or None. Raises `BadFilterError`,
        `RerankerNotSetError` where reranking is asked for and cannot be had, what the reranker
        raises, and `SegmentCorruptError` and `LexicalIndexCorruptError` where the files of an index
        cannot be trusted.
        """
        parts = split_question(query) if refining.split else ()
        asked = _Asked((query, *parts), access, mode, where)
        is_reranked = self._reranking.reranker.is_set
        if refining.rerank is not None:
            is_reranked = refining.rerank
        depth = top_k * _PICKED_FROM if refining.diversity else top_k
        if is_reranked:
            depth = max(depth, self._reranking.depth)

        if refining.keep_duplicates:
            passages = self._find_live(asked, depth)
        else:
            passages = self._find_distinct(asked, depth)
        if is_reranked:
            passages = self._reranking.apply(query, passages)
        return self._arrange(passages, top_k, refining)

    def generation(self) -> int:
        """The generation of the index that is current now, for the receipt."""
        return self._segments.generation()

    def _arrange(
        self, passages: Sequence[Passage], top_k: int, refining: Refining
    ) -> list[Passage]:
        """The `top_k` that are returned, as the caller wants them."""
        if not (refining.diversity or refining.merge or refining.neighbours):
            return list(passages[:top_k])
        with self._database.read_scope() as session:
            if refining.diversity:
                passages = diversify(session, passages, diversity=refining.diversity, top_k=top_k)
            best = list(passages[:top_k])
            if refining.merge or refining.neighbours:
                return join_neighbours(session, best, num_around=refining.neighbours)
            return best

    def _find_distinct(self, asked: _Asked, depth: int) -> list[Passage]:
        """As `_find_live`, without duplicates: others take their places, if need be from deeper."""
        distinct: list[Passage] = []
        for deeper in _depths(depth):
            found = self._find_live(asked, deeper)
            distinct = drop_duplicates(found)
            if len(distinct) >= depth or len(found) < deeper:
                break
        return distinct[:depth]

    def _find_live(self, asked: _Asked, depth: int) -> list[Passage]:
        """At most `depth` passages, best first, joined with live rows."""
        passages: list[Passage] = []
        num_gone = 0
        for _ in range(_MAX_TRIES):
            allowed = None
            if asked.where is not None:
                allowed = self._allowing.chunk_ids(asked.where, asked.access)
            scope = Scope(asked.access, depth + num_gone, allowed)
            hits = take_turns(self._rank(asked, scope), top_k=scope.top_k)
            # a snapshot of its own: it must see what was deleted while the indexes were searched
            passages = load_passages(self._database, hits, access=asked.access)
            # A hit without a live row was deleted after the snapshot was taken. The next snapshot
            # masks it, or the search goes deeper; another passage takes its place.
            num_gone += len(hits) - len(passages)
            if len(passages) == len(hits):
                break
        return passages[:depth]

    def _rank(self, asked: _Asked, scope: Scope) -> list[list[Hit]]:
        """The hits of each part, best first; all parts search one state of the indexes."""
        if asked.mode is Mode.LEXICAL:
            view = self._lexical.current()
            return [find_lexical(view, part, scope) for part in asked.parts]
        snapshot = self._segments.snapshot()
        model = snapshot.embedding_model
        if model not in asked.vectors:
            asked.vectors[model] = self._embedders.get(model).embed_queries(asked.parts)  # (P, D)
        vectors = asked.vectors[model]
        if asked.mode is Mode.DENSE:
            return [find_dense(snapshot, vector, scope) for vector in vectors]
        both = Both(snapshot, self._lexical.current(), self._database, model)
        return [
            both.find(part, vector, scope)
            for part, vector in zip(asked.parts, vectors, strict=True)
        ]


def _depths(first: int) -> Iterator[int]:
    """Doubling, from the first on, which may be any."""
    yield first
    while (first := first * 2) <= _MAX_DEPTH:
        yield first
