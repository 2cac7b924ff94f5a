"""Vectors to a segment: every vector compared while there are few, inverted lists beyond.

The values stay float16, the very ones that SQL keeps: lists decide what is compared, never how
exactly. How many lists must be probed is measured on the data itself, against exact search.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import faiss
import numpy as np
import numpy.typing as npt

from core.ids import CollectionId, SegmentId
from core.segments import Segment, SegmentFacts, Vectors, build_flat

# Fewer vectors than this are compared one by one: about a millisecond.
MIN_LISTED: Final = 20_000
# The recall the probes are chosen for: above what is promised, since questions are not passages.
_RECALL: Final = 0.99
_DEPTHS: Final = (10, 100, 1_000)
_BATCH: Final = 10_000
_TRAIN_PER_LIST: Final = 40
_NUM_QUERIES: Final = 128
_SEED: Final = 20_26

Positions = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class VectorColumns:
    """What a segment is made from when it may be too large to hold: columns of N rows.

    `chunk_ids` is (N,) int64, ascending; `read` takes ascending positions, (B,), and gives their
    vectors, (B, D).
    """

    chunk_ids: npt.NDArray[np.int64]
    collection_codes: npt.NDArray[np.int32]
    collection_ids: tuple[CollectionId, ...]
    read: Callable[[Positions], Vectors]

    def __len__(self) -> int:
        return len(self.chunk_ids)

    def batches(self) -> Iterator[Vectors]:
        """All vectors in order, some at a time."""
        for start in range(0, len(self), _BATCH):
            yield self.read(np.arange(start, min(start + _BATCH, len(self))))


def build_columns(
    segment_id: SegmentId,
    columns: VectorColumns,
    *,
    num_threads: int,
    check: Callable[[], None] = lambda: None,
) -> Segment:
    """Build a segment in memory: two bytes a dimension and vector, and as much again on the way.

    `check` is called between steps and may raise to end the work.
    """
    with compute_threads(num_threads):
        check()
        if len(columns) < MIN_LISTED:
            index, facts = build_flat(np.concatenate(list(columns.batches()))), SegmentFacts()
        else:
            index = _build_lists(columns, check)
            probes, recall10 = _measure(index, columns, check)
            facts = SegmentFacts("ivf", (), int(index.nlist), probes, recall10)
    named = SegmentFacts(
        facts.kind, columns.collection_ids, facts.num_lists, facts.probes, facts.recall10
    )
    return Segment(segment_id, index, columns.chunk_ids, columns.collection_codes, named)


@contextmanager
def compute_threads(count: int) -> Iterator[None]:
    """Let FAISS compute with so many threads in here. The count is torch's too: it is put back."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _build_lists(columns: VectorColumns, check: Callable[[], None]) -> Any:
    num_lists = int(2 * len(columns) ** 0.5)
    draw = np.random.default_rng(_SEED)
    wanted = min(len(columns), num_lists * _TRAIN_PER_LIST)
    sample = columns.read(np.sort(draw.choice(len(columns), wanted, replace=False)))
    check()
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(sample.shape[1]),
        sample.shape[1],
        num_lists,
        faiss.ScalarQuantizer.QT_fp16,
        faiss.METRIC_INNER_PRODUCT,
    )
    index.by_residual = False  # a residual would be rounded once more
    index.cp.seed = _SEED
    index.train(sample)
    for batch in columns.batches():
        check()
        index.add(batch)
    index.make_direct_map()  # merging and verifying read single vectors back
    return index


def _measure(
    index: Any, columns: VectorColumns, check: Callable[[], None]
) -> tuple[dict[int, int], float]:
    """Fewest lists to probe for each depth, and the recall@10 then seen on other vectors."""
    draw = np.random.default_rng(_SEED + 1)
    chosen = np.sort(draw.choice(len(columns), 2 * _NUM_QUERIES, replace=False))
    queries = columns.read(chosen)  # (Q, D)
    depths = [depth for depth in _DEPTHS if depth * 10 <= len(columns)]
    exact = _search_exactly(columns, queries, max(depths) + 1, check)
    tuning, testing = slice(0, None, 2), slice(1, None, 2)
    probes: dict[int, int] = {}
    num_probes = 1
    for depth in depths:
        while num_probes < index.nlist:
            check()
            found = _search(index, queries[tuning], depth + 1, num_probes)
            if _recall(found, exact[tuning], chosen[tuning], depth) >= _RECALL:
                break
            num_probes = min(index.nlist, num_probes + max(1, num_probes // 2))
        probes[depth] = num_probes
    found = _search(index, queries[testing], 11, probes[10])
    return probes, _recall(found, exact[testing], chosen[testing], 10)


def _search(index: Any, queries: Vectors, count: int, num_probes: int) -> npt.NDArray[np.int64]:
    parameters = faiss.SearchParametersIVF(nprobe=num_probes)
    positions: npt.NDArray[np.int64] = index.search(queries, count, params=parameters)[1]
    return positions  # (Q, count)


def _search_exactly(
    columns: VectorColumns, queries: Vectors, count: int, check: Callable[[], None]
) -> npt.NDArray[np.int64]:
    heap = faiss.ResultHeap(len(queries), count, keep_max=True)
    start = 0
    for batch in columns.batches():
        check()
        scores, positions = faiss.knn(
            queries, batch, min(count, len(batch)), metric=faiss.METRIC_INNER_PRODUCT
        )
        heap.add_result(scores, positions + start)
        start += len(batch)
    heap.finalize()
    found: npt.NDArray[np.int64] = heap.I
    return found  # (Q, count)


def _recall(
    found: npt.NDArray[np.int64],
    exact: npt.NDArray[np.int64],
    queries: Positions,
    depth: int,
) -> float:
    """Mean share of the exact `depth` nearest that were found, the vector itself not counted."""
    shares = []
    for row, query in enumerate(queries):
        truth = [position for position in exact[row].tolist() if position != query][:depth]
        seen = [position for position in found[row].tolist() if position != query][:depth]
        shares.append(len(set(truth) & set(seen)) / len(truth))
    return float(np.mean(shares))
