"""Terms to hits, by BM25, over one view of the lexical index. Pure: no model, no database.

Queries are put together from terms; no text of a caller is ever parsed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from tantivy import Occur, Query

from core.access import Access
from core.ids import ChunkId
from retrieval.lexical.analysis import EXACT, STEMMED, QueryTerms
from retrieval.lexical.index import LexicalView
from retrieval.types import ChunkIds, Hit

# Whole words count beside their stems: what is written the same ranks above what is only inflected
# alike. benchmarks/LOG.md has the figures.
EXACT_WEIGHT: Final = 0.25
# The rarest terms of a long question say what it is about; the others cost time.
_MAX_TERMS: Final = 64
# Up to here a set of chunks is looked up inside the index; a larger one is met soon by chance.
_MAX_LISTED: Final = 5_000
_K1_PLUS_1: Final = 2.2  # tantivy's BM25: k1 = 1.2


@dataclass(frozen=True, slots=True)
class LexicalQuery:
    """A question as the index is asked it; `best` is what no chunk's score can exceed."""

    query: Query
    best: float


def build_query(view: LexicalView, terms: QueryTerms) -> LexicalQuery | None:
    """Put the terms together; None where no chunk holds any of them."""
    clauses: list[tuple[Occur, Query]] = []
    bests: dict[str, float] = {}
    for field, words in terms.by_field.items():
        weight = EXACT_WEIGHT if field == EXACT else 1.0
        rarities = _rarities(view, field, words)
        bests[field] = weight * _K1_PLUS_1 * sum(rarities.values())
        for word in rarities:
            term = Query.term_query(view.schema, field, word, "freq")
            clauses.append((Occur.Should, Query.boost_query(term, weight)))
    if not clauses:
        return None
    return LexicalQuery(
        Query.boolean_query(clauses), min(bests[name] for name in STEMMED) + bests[EXACT]
    )


def search_lexical(
    view: LexicalView,
    asked: LexicalQuery,
    *,
    access: Access,
    top_k: int,
    allowed: ChunkIds | None = None,
) -> list[Hit]:
    """Find the `top_k` visible chunks that hold most of what the terms tell, best first.

    `allowed` as in `search_dense`. Scores are shares of the best that any chunk could have, 0 to 1;
    ties by chunk id.
    """
    query = _within(view, asked.query, access)
    if allowed is None:
        return _ask(view, query, asked.best, top_k)
    if len(allowed) <= _MAX_LISTED:
        listed = Query.term_set_query(view.schema, "id", allowed.tolist())
        return _ask(view, _and(query, listed), asked.best, top_k)
    return _sift(view, LexicalQuery(query, asked.best), allowed, top_k)


def score_lexical(
    view: LexicalView, asked: LexicalQuery, chunk_ids: Sequence[ChunkId]
) -> dict[ChunkId, float]:
    """The scores of these chunks; one that holds none of the terms is left out."""
    if not chunk_ids:
        return {}
    listed = Query.term_set_query(view.schema, "id", list(chunk_ids))
    hits = _ask(view, _and(asked.query, listed), asked.best, len(chunk_ids))
    return {hit.chunk_id: hit.score for hit in hits}


def _rarities(view: LexicalView, field: str, words: Sequence[str]) -> dict[str, float]:
    """The inverse document frequencies of the rarest terms."""
    num_docs = view.searcher.num_docs
    rarities = {}
    for word in words:
        count = view.searcher.doc_freq(field, word)
        rarities[word] = math.log(1 + (num_docs - count + 0.5) / (count + 0.5))
    if len(rarities) <= _MAX_TERMS:
        return rarities
    rarest = sorted(rarities, key=lambda word: -rarities[word])[:_MAX_TERMS]
    return {word: rarities[word] for word in rarest}


def _within(view: LexicalView, query: Query, access: Access) -> Query:
    if access.collection_ids is None:
        return query
    allowed = Query.term_set_query(view.schema, "collection", sorted(access.collection_ids))
    return _and(query, allowed)


def _and(query: Query, condition: Query) -> Query:
    # a condition decides and does not rank: boosted by nothing
    return Query.boolean_query(
        [(Occur.Must, query), (Occur.Must, Query.const_score_query(condition, 0.0))]
    )


def _sift(view: LexicalView, asked: LexicalQuery, allowed: ChunkIds, top_k: int) -> list[Hit]:
    depth = 4 * top_k
    while True:
        hits = _ask(view, asked.query, asked.best, depth)
        ids = np.array([hit.chunk_id for hit in hits], dtype=np.int64)
        kept = np.isin(ids, allowed, assume_unique=True)
        if int(kept.sum()) >= top_k or len(hits) < depth:
            return [hit for hit, is_kept in zip(hits, kept, strict=True) if is_kept][:top_k]
        depth *= 4


def _ask(view: LexicalView, query: Query, best: float, top_k: int) -> list[Hit]:
    found = view.searcher.search(query, top_k, count=False).hits
    ids = view.searcher.fast_field_values("id", [address for _, address in found])
    hits = [
        Hit(ChunkId(int(chunk_id)), score / best)
        for (score, _), chunk_id in zip(found, ids, strict=True)
        if chunk_id is not None
    ]
    return sorted(hits, key=lambda hit: (-hit.score, hit.chunk_id))
