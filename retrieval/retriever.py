"""A question to passages: the story of this room. Refuses nothing; an empty index gives nothing."""

from core.access import Access
from core.database import Database
from core.embedding import Embedder
from core.types import Passage
from retrieval.dense import search_dense
from retrieval.passages import load_passages
from retrieval.segments import SegmentReader

# How often a search starts over because documents were deleted while it ran.
_MAX_TRIES = 3


class Retriever:
    """Finds passages for questions. Thread-safe."""

    def __init__(self, database: Database, embedder: Embedder, segments: SegmentReader) -> None:
        self._database = database
        self._embedder = embedder
        self._segments = segments

    def retrieve(self, query: str, *, access: Access, top_k: int) -> list[Passage]:
        """Return at most `top_k` live passages that the caller may see, best first.

        Raises `SegmentCorruptError` where the index on disk cannot be trusted.
        """
        vector = self._embedder.embed_queries([query])[0]  # (D,)
        passages: list[Passage] = []
        for _ in range(_MAX_TRIES):
            snapshot = self._segments.snapshot()
            hits = search_dense(snapshot, vector, access=access, top_k=top_k)
            with self._database.read_scope() as session:
                passages = load_passages(session, hits, access=access)
            # A hit without a live row was deleted after the snapshot was taken: the next snapshot
            # masks it, and another passage takes its place.
            if len(passages) == len(hits):
                break
        return passages

    def generation(self) -> int:
        """The generation of the index that is current now, for the receipt."""
        return self._segments.generation()
