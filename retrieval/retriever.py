"""A question to passages: the story of this room. Refuses nothing; an empty index gives nothing."""

from typing import Final

from core.access import Access
from core.database import Database
from core.embedders import Embedders, LoadEmbedder, no_other_model
from core.embedding import Embedder
from core.types import Passage
from retrieval.allowing import Allowing
from retrieval.hybrid import Both, Scope, Vector, find_dense, find_lexical
from retrieval.lexical.follower import LexicalFollower
from retrieval.passages import load_passages
from retrieval.reranking import NO_RERANKING, Reranking
from retrieval.segments import SegmentReader
from retrieval.types import PLAIN, Hit, Mode, Refining

# How often a search starts over because documents were deleted while it ran.
_MAX_TRIES: Final = 3


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
        is_reranked = self._reranking.reranker.is_set
        if refining.rerank is not None:
            is_reranked = refining.rerank
        depth = max(top_k, self._reranking.depth) if is_reranked else top_k
        passages = self._find_live(query, Scope(access, depth), mode, where)
        if is_reranked:
            passages = self._reranking.apply(query, passages)
        return passages[:top_k]

    def generation(self) -> int:
        """The generation of the index that is current now, for the receipt."""
        return self._segments.generation()

    def _find_live(self, query: str, scope: Scope, mode: Mode, where: object) -> list[Passage]:
        """At most `scope.top_k` passages, joined with live rows; `where` narrows the scope."""
        vectors: dict[str, Vector] = {}  # of the question, by model: a change may come in between
        passages: list[Passage] = []
        num_gone = 0
        for _ in range(_MAX_TRIES):
            allowed = None if where is None else self._allowing.chunk_ids(where, scope.access)
            deeper = Scope(scope.access, scope.top_k + num_gone, allowed)
            if mode is Mode.LEXICAL:
                hits = find_lexical(self._lexical.current(), query, deeper)
            else:
                hits = self._find(query, vectors, deeper, mode)
            with self._database.read_scope() as session:
                passages = load_passages(session, hits, access=scope.access)
            # A hit without a live row was deleted after the snapshot was taken. The next snapshot
            # masks it, or the search goes deeper; another passage takes its place.
            num_gone += len(hits) - len(passages)
            if len(passages) == len(hits):
                break
        return passages[: scope.top_k]

    def _find(self, query: str, vectors: dict[str, Vector], scope: Scope, mode: Mode) -> list[Hit]:
        snapshot = self._segments.snapshot()
        model = snapshot.embedding_model
        if model not in vectors:
            vectors[model] = self._embedders.get(model).embed_queries([query])[0]  # (D,)
        if mode is Mode.DENSE:
            return find_dense(snapshot, vectors[model], scope)
        view = self._lexical.current()
        with self._database.read_scope() as session:
            return Both(snapshot, view, session, model).find(query, vectors[model], scope)
