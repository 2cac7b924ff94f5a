"""Meaning and words together: each index finds, both score. Loads no text, no model."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import bindparam, select

from core.access import Access
from core.database import Database
from core.ids import ChunkId
from core.tables import ChunkRow, VersionRow
from retrieval.dense import search_dense
from retrieval.fusion import fuse
from retrieval.lexical.analysis import query_terms
from retrieval.lexical.index import LexicalView
from retrieval.lexical.search import LexicalQuery, build_query, score_lexical, search_lexical
from retrieval.segments import Snapshot
from retrieval.types import ChunkIds, Hit

# How many each index finds at least: what one ranks thirtieth may be first together.
_MIN_DEPTH: Final = 50

# Built once: putting a statement together costs more than SQLite takes to answer it.
_VECTORS: Final = (
    select(ChunkRow.id, ChunkRow.vector)
    .join(VersionRow, VersionRow.id == ChunkRow.version_id)
    .where(ChunkRow.id.in_(bindparam("chunk_ids", expanding=True)))
    .where(VersionRow.embedding_model == bindparam("embedding_model"))
)

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to search, and how many hits are wanted; `allowed` as in `search_dense`."""

    access: Access
    top_k: int
    allowed: ChunkIds | None = None


def find_dense(snapshot: Snapshot, vector: Vector, scope: Scope) -> list[Hit]:
    """The chunks whose vectors are nearest."""
    return _named("dense", _search_dense(snapshot, vector, scope, scope.top_k))


def find_lexical(view: LexicalView, query: str, scope: Scope) -> list[Hit]:
    """The chunks that hold most of what the words tell."""
    asked = build_query(view, query_terms(query))
    if asked is None:
        return []
    return _named("lexical", _search_lexical(view, asked, scope, scope.top_k))


@dataclass(frozen=True, slots=True)
class Both:
    """Both indexes, and where the vectors of what the words found are read."""

    snapshot: Snapshot
    view: LexicalView
    database: Database
    embedding_model: str

    def find(self, query: str, vector: Vector, scope: Scope) -> list[Hit]:
        """The best of what either index finds, scored by both."""
        asked = build_query(self.view, query_terms(query))
        if asked is None:
            return find_dense(self.snapshot, vector, scope)
        depth = max(scope.top_k, _MIN_DEPTH)
        dense = _scores(_search_dense(self.snapshot, vector, scope, depth))
        lexical = _scores(_search_lexical(self.view, asked, scope, depth))
        by_words_alone = lexical.keys() - dense.keys()
        lexical |= score_lexical(self.view, asked, list(dense.keys() - lexical.keys()))
        dense |= self._cosines(vector, by_words_alone)
        return fuse(dense, lexical, top_k=scope.top_k)

    def _cosines(self, vector: Vector, chunk_ids: Collection[ChunkId]) -> dict[ChunkId, float]:
        if not chunk_ids:
            return {}
        # a chunk of another embedding model has no cosine, and one that is gone has no row
        asked = {"chunk_ids": list(chunk_ids), "embedding_model": self.embedding_model}
        rows = self.database.read_rows(_VECTORS, asked)
        if not rows:
            return {}
        held = np.frombuffer(b"".join(held for _, held in rows), dtype="<f2")
        cosines = held.reshape(len(rows), -1).astype(np.float32) @ vector  # (N, D) @ (D,)
        return {ChunkId(row[0]): cosine for row, cosine in zip(rows, cosines.tolist(), strict=True)}


def _search_dense(snapshot: Snapshot, vector: Vector, scope: Scope, top_k: int) -> list[Hit]:
    return search_dense(snapshot, vector, access=scope.access, top_k=top_k, allowed=scope.allowed)


def _search_lexical(view: LexicalView, asked: LexicalQuery, scope: Scope, top_k: int) -> list[Hit]:
    return search_lexical(view, asked, access=scope.access, top_k=top_k, allowed=scope.allowed)


def _named(ranker: str, hits: Sequence[Hit]) -> list[Hit]:
    return [Hit(hit.chunk_id, hit.score, {ranker: hit.score}) for hit in hits]


def _scores(hits: Sequence[Hit]) -> dict[ChunkId, float]:
    return {hit.chunk_id: hit.score for hit in hits}
