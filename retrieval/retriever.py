"""A question to passages: the story of this room. Refuses nothing; an empty index gives nothing."""

from core.access import Access
from core.database import Database
from core.embedders import Embedders, LoadEmbedder, no_other_model
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
        *,
        other_embedder: LoadEmbedder = no_other_model,
    ) -> None:
        self._database = database
        self._allowing = Allowing(database)
        self._embedders = Embedders(database, embedder, other_embedder)
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
        vectors: dict[str, Vector] = {}  # of the question, by model: a change may come in between
        passages: list[Passage] = []
        num_gone = 0
        for _ in range(_MAX_TRIES):
            allowed = None if where is None else self._allowing.chunk_ids(where, access)
            scope = Scope(access, top_k + num_gone, allowed)
            if mode is Mode.LEXICAL:
                hits = find_lexical(self._lexical.current(), query, scope)
            else:
                hits = self._find(query, vectors, scope, mode)
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
