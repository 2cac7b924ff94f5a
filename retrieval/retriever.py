"""A question to passages: the story of this room. Refuses nothing; an empty index gives nothing."""

from core.access import Access
from core.database import Database
from core.embedding import Embedder
from core.types import Passage
from retrieval.allowing import Allowing
from retrieval.hybrid import Both, Scope, Vector, find_dense, find_lexical
from retrieval.lexical.follower import LexicalFollower
from retrieval.passages import load_passages
from retrieval.segments import SegmentReader
from retrieval.types import Hit, Mode

# How often a search starts over because documents were deleted while it ran.
_MAX_TRIES = 3


class Retriever:
    """Finds passages for questions. Thread-safe."""

    def __init__(
        self,
        database: Database,
        embedder: Embedder,
        segments: SegmentReader,
        lexical: LexicalFollower,
    ) -> None:
        self._database = database
        self._allowing = Allowing(database)
        self._embedder = embedder
        self._segments = segments
        self._lexical = lexical

    def retrieve(
        self,
        query: str,
        *,
        access: Access,
        top_k: int,
        mode: Mode = Mode.HYBRID,
        where: object = None,
    ) -> list[Passage]:
        """Return at most `top_k` live passages that the caller may see, best first.

        `where` is a filter as `retrieval.filters` has it, or None. Raises `BadFilterError`, and
        `SegmentCorruptError` and `LexicalIndexCorruptError` where the files of an index cannot be
        trusted.
        """
        vector = None if mode is Mode.LEXICAL else self._embedder.embed_queries([query])[0]  # (D,)
        passages: list[Passage] = []
        num_gone = 0
        for _ in range(_MAX_TRIES):
            allowed = None if where is None else self._allowing.chunk_ids(where, access)
            hits = self._find(query, vector, Scope(access, top_k + num_gone, allowed), mode)
            with self._database.read_scope() as session:
                passages = load_passages(session, hits, access=access)
            # A hit without a live row was deleted after the snapshot was taken. The next snapshot
            # masks it, or the search goes deeper; another passage takes its place.
            num_gone += len(hits) - len(passages)
            if len(passages) == len(hits):
                break
        return passages[:top_k]

    def generation(self) -> int:
        """The generation of the index that is current now, for the receipt."""
        return self._segments.generation()

    def _find(self, query: str, vector: Vector | None, scope: Scope, mode: Mode) -> list[Hit]:
        if vector is None:
            return find_lexical(self._lexical.current(), query, scope)
        if mode is Mode.DENSE:
            return find_dense(self._segments.snapshot(), vector, scope)
        snapshot, view = self._segments.snapshot(), self._lexical.current()
        with self._database.read_scope() as session:
            both = Both(snapshot, view, session, self._embedder.model)
            return both.find(query, vector, scope)
