"""The part of `benchmarks.scale` that searches: a process of its own, as a restarted service is."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import faiss
import numpy as np
import numpy.typing as npt
from sqlalchemy import delete, update

from benchmarks.memory import read_rss_bytes
from benchmarks.scale_library import (
    BATCH,
    MODEL,
    RARE,
    Distribution,
    Shelf,
    add_batch,
)
from core.access import Access
from core.database import Database
from core.segment_building import compute_threads
from core.segment_files import SegmentFiles
from core.tables import ChunkRow, DeletedChunkRow, ManifestRow
from retrieval.dense import search_dense
from retrieval.passages import load_passages
from retrieval.segments import SegmentReader
from retrieval.types import ChunkIds

_NUM_QUERIES: Final = 200
_TOP_K: Final = 10
# Ids of what is added to see how soon it is found: far from those of the library.
_FRESH_ID: Final = 1_000_000_000
EVERYTHING: Final = Access.to_everything()


class Searcher:
    """Search as the service does it: the current snapshot, the masks, the rows of the hits."""

    def __init__(self, shelf: Shelf, database: Database) -> None:
        self.database = database
        self.reader = SegmentReader(
            database, SegmentFiles(shelf.segments_root), embedding_model=MODEL
        )

    def search(
        self,
        query: npt.NDArray[np.float32],
        *,
        access: Access = EVERYTHING,
        allowed: ChunkIds | None = None,
    ) -> list[int]:
        snapshot = self.reader.snapshot()
        hits = search_dense(snapshot, query, access=access, top_k=_TOP_K, allowed=allowed)
        passages = load_passages(self.database, hits, access=access)
        assert len(passages) == len(hits)
        return [passage.id for passage in passages]


def main(folder: Path, num_chunks: int, spawned_s: float) -> dict[str, float]:
    started_s = time.time()
    distribution = Distribution()
    queries = distribution.draw(10**6, _NUM_QUERIES)
    drawing_s = time.time() - started_s
    shelf = Shelf(folder)
    database = shelf.open()
    searcher = Searcher(shelf, database)
    assert len(searcher.search(queries[0])) == _TOP_K
    # Since this process was spawned, imports included; drawing queries is not part of a restart.
    figures = {"restart_s": time.time() - spawned_s - drawing_s}
    for query in queries:
        searcher.search(query)
    exact = _search_exactly(distribution, queries, num_chunks)
    found = [searcher.search(query) for query in queries]
    shares = [len(set(row) & set(truth)) for row, truth in zip(found, exact, strict=True)]
    figures["recall10"] = float(np.mean(shares)) / _TOP_K
    figures |= _latencies(searcher, queries, num_chunks)
    figures |= _overhead(searcher, queries)
    figures["rss_bytes"] = float(read_rss_bytes())
    figures |= _freshness(searcher, shelf, num_chunks)
    database.close()
    return figures


def _latencies(
    searcher: Searcher, queries: npt.NDArray[np.float32], num_chunks: int
) -> dict[str, float]:
    draw = np.random.default_rng(1)
    allowed = np.sort(draw.choice(num_chunks, num_chunks // 100, replace=False)).astype(np.int64)
    rare = Access(frozenset({RARE}))
    plain = _times(lambda query: searcher.search(query), queries)
    return {
        "p50_ms": _percentile(plain, 50),
        "p95_ms": _percentile(plain, 95),
        "p50_filtered_ms": _percentile(
            _times(lambda query: searcher.search(query, allowed=allowed), queries), 50
        ),
        "p50_one_collection_ms": _percentile(
            _times(lambda query: searcher.search(query, access=rare), queries), 50
        ),
    }


def _overhead(searcher: Searcher, queries: npt.NDArray[np.float32]) -> dict[str, float]:
    """Ours over the same searches called on the FAISS indexes alone, turn by turn."""
    bare = [
        (one.segment.index, _bare_parameters(one.segment.facts.probes.get(_TOP_K)))
        for one in searcher.reader.snapshot().segments
    ]

    def call_faiss(query: npt.NDArray[np.float32]) -> None:
        for index, parameters in bare:
            index.search(query[None, :], _TOP_K, params=parameters)

    def call_ours(query: npt.NDArray[np.float32]) -> None:
        search_dense(searcher.reader.snapshot(), query, access=EVERYTHING, top_k=_TOP_K)

    faiss_s, ours_s = [], []
    with compute_threads(1):
        for _ in range(3):
            faiss_s += _times(call_faiss, queries)
            ours_s += _times(call_ours, queries)
    ours, theirs = _percentile(ours_s, 50), _percentile(faiss_s, 50)
    return {"faiss_ms": theirs, "dense_ms": ours, "overhead": ours / theirs - 1}


def _bare_parameters(num_probes: int | None) -> Any:
    return faiss.SearchParametersIVF(nprobe=num_probes) if num_probes else None


def _freshness(searcher: Searcher, shelf: Shelf, num_chunks: int) -> dict[str, float]:
    query = Distribution(seed=99).draw(0, 100)
    started_s = time.perf_counter()
    add_batch(shelf, searcher.database, _FRESH_ID + num_chunks, query)
    while searcher.search(query[0])[0] < _FRESH_ID:
        pass
    visible_s = time.perf_counter() - started_s
    first = searcher.search(query[0])[0]
    started_s = time.perf_counter()
    with searcher.database.session_scope() as session:
        session.execute(update(ManifestRow).values(generation=ManifestRow.generation + 1))
        session.add(DeletedChunkRow(chunk_id=first, generation=2**31 - 1))
        session.execute(delete(ChunkRow).where(ChunkRow.id == first))
    assert first not in searcher.search(query[0])
    return {"visible_after_s": visible_s, "deleted_after_s": time.perf_counter() - started_s}


def _search_exactly(
    distribution: Distribution, queries: npt.NDArray[np.float32], num_chunks: int
) -> list[list[int]]:
    heap = faiss.ResultHeap(len(queries), _TOP_K, keep_max=True)
    for number in range(num_chunks // BATCH):
        vectors = distribution.draw(number, BATCH)
        scores, ids = faiss.knn(queries, vectors, _TOP_K, metric=faiss.METRIC_INNER_PRODUCT)
        heap.add_result(scores, ids + number * BATCH)
    heap.finalize()
    found: list[list[int]] = heap.I.tolist()
    return found


def _times(
    call: Callable[[npt.NDArray[np.float32]], object], queries: npt.NDArray[np.float32]
) -> list[float]:
    times = []
    for query in queries:
        started_s = time.perf_counter()
        call(query)
        times.append(time.perf_counter() - started_s)
    return times


def _percentile(times_s: list[float], percent: int) -> float:
    return float(np.percentile(times_s, percent)) * 1_000


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))))
