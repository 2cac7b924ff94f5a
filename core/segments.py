"""Segments of the dense index on disk: written whole, never changed. Knows no database."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import faiss
import numpy as np
import numpy.typing as npt

from core.durable import sync_folder
from core.errors import SegmentCorruptError
from core.ids import CollectionId, SegmentId

_INDEX: Final = "vectors.faiss"
_CHUNK_IDS: Final = "chunk_ids.npy"
_COLLECTIONS: Final = "collections.npy"
_FACTS: Final = "segment.json"
FILE_NAMES: Final = frozenset({_INDEX, _CHUNK_IDS, _COLLECTIONS, _FACTS})
# How the name of a folder ends that is no whole segment yet.
WRITING: Final = ".writing"
REMEDY: Final = "the ingestion worker rebuilds it, as 'cimiento index rebuild' does"

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """What is known of a segment without opening its index.

    `probes` maps a number of results to the lists that must be probed to find them; empty where
    every vector is compared. `recall10` was measured against exact search when it was written.
    """

    kind: str = "flat"
    collection_ids: tuple[CollectionId, ...] = ()
    num_lists: int = 0
    probes: Mapping[int, int] = field(default_factory=dict)
    recall10: float = 1.0
    file_bytes: Mapping[str, int] = field(default_factory=dict)

    @property
    def num_bytes(self) -> int:
        """Bytes on disk."""
        return sum(self.file_bytes.values())


@dataclass(frozen=True, slots=True)
class Segment:
    """An open segment of N vectors.

    `chunk_ids` is (N,) int64, ascending; `collection_codes` is (N,) int32, each an index into the
    collection ids of the facts. Vectors are unit length, so that the inner product is the cosine.
    """

    id: SegmentId
    index: Any  # faiss.Index; the package has no types
    chunk_ids: npt.NDArray[np.int64]
    collection_codes: npt.NDArray[np.int32]
    facts: SegmentFacts

    @property
    def collection_ids(self) -> tuple[CollectionId, ...]:
        """What the collection codes stand for."""
        return self.facts.collection_ids

    def positions_of(self, chunk_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
        """Where those of the ascending `chunk_ids` stand that are in this segment."""
        few, many = sorted((chunk_ids, self.chunk_ids), key=len)
        if not len(few):
            return np.zeros(0, dtype=np.intp)
        found = np.searchsorted(many, few)  # the smaller side is looked up in the larger one
        matches = many[np.minimum(found, len(many) - 1)] == few
        return found[matches] if many is self.chunk_ids else np.flatnonzero(matches)


@dataclass(frozen=True, slots=True)
class SegmentContent:
    """What a segment is made from: three parallel columns of N rows, by ascending chunk id."""

    chunk_ids: npt.NDArray[np.int64]
    collection_ids: list[CollectionId]
    vectors: Vectors


def build_flat(vectors: Vectors) -> Any:
    """An index that compares every vector: exact, over the very float16 values that SQL keeps."""
    index = faiss.IndexScalarQuantizer(
        vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index.add(np.ascontiguousarray(vectors, dtype=np.float32))
    return index


def build_segment(segment_id: SegmentId, content: SegmentContent) -> Segment:
    """A flat segment in memory."""
    names = tuple(sorted(set(content.collection_ids)))
    code_of = {name: code for code, name in enumerate(names)}
    codes = np.array([code_of[name] for name in content.collection_ids], dtype=np.int32)
    facts = SegmentFacts(collection_ids=names)
    return Segment(segment_id, build_flat(content.vectors), content.chunk_ids, codes, facts)


def write_segment(root: Path, segment_id: SegmentId, content: SegmentContent) -> None:
    """Build a flat segment and save it."""
    save_segment(root, build_segment(segment_id, content))


def save_segment(root: Path, segment: Segment) -> None:
    """Write a segment durably; it appears under its name only when it is whole.

    The segment is not searchable until the manifest names it. Raises OSError (disk full); nothing
    is left behind then.
    """
    writing = root / f"{segment.id}{WRITING}"
    shutil.rmtree(writing, ignore_errors=True)
    writing.mkdir(parents=True)
    try:
        _write_files(writing, segment)
        sync_folder(writing)
        # rename last: a reader must never see half a segment
        writing.rename(root / segment.id)
    except BaseException:
        shutil.rmtree(writing, ignore_errors=True)
        raise
    sync_folder(root)


def load_segment(root: Path, segment_id: SegmentId, *, num_vectors: int) -> Segment:
    """Map a segment into memory; pages are read as searches touch them.

    Raises `SegmentCorruptError` where the files disagree with the manifest or with each other.
    """
    folder = root / segment_id
    try:
        facts = read_facts(root, segment_id)
        # No copy in this process: the pages belong to the kernel, which shares and drops them.
        index = faiss.read_index(str(folder / _INDEX), faiss.IO_FLAG_MMAP_IFC)
        chunk_ids = np.load(folder / _CHUNK_IDS)
        codes = np.load(folder / _COLLECTIONS)
    except (OSError, ValueError, RuntimeError) as error:
        raise SegmentCorruptError(
            f"segment {segment_id} cannot be read ({error}); {REMEDY}"
        ) from error
    counts = {int(index.ntotal), len(chunk_ids), len(codes)}
    if counts != {num_vectors}:
        raise SegmentCorruptError(
            f"segment {segment_id} has {sorted(counts)} vectors, manifest says {num_vectors}; "
            f"{REMEDY}"
        )
    if (np.diff(chunk_ids) <= 0).any() or codes.max(initial=-1) >= len(facts.collection_ids):
        raise SegmentCorruptError(f"segment {segment_id} is not in order; {REMEDY}")
    return Segment(segment_id, index, chunk_ids, codes, facts)


def read_facts(root: Path, segment_id: SegmentId) -> SegmentFacts:
    """The facts of a segment whose files have the sizes they say. Raises `SegmentCorruptError`."""
    folder = root / segment_id
    try:
        facts = _parse_facts((folder / _FACTS).read_text(encoding="utf-8"))
        sizes = {name: (folder / name).stat().st_size for name in facts.file_bytes}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SegmentCorruptError(
            f"segment {segment_id} cannot be read ({error}); {REMEDY}"
        ) from error
    # before anything is mapped: reading past the end of a mapped file ends the process
    if sizes != dict(facts.file_bytes):
        raise SegmentCorruptError(f"segment {segment_id} has been cut or changed; {REMEDY}")
    return facts


def delete_segment(root: Path, segment_id: SegmentId) -> None:
    """Remove a segment that no manifest names any more."""
    shutil.rmtree(root / segment_id, ignore_errors=True)


def list_segments(root: Path) -> set[SegmentId]:
    """Every folder below the root, half-written ones included (those end in `.writing`)."""
    if not root.is_dir():
        return set()
    return {SegmentId(path.name) for path in root.iterdir() if path.is_dir()}


def _parse_facts(text: str) -> SegmentFacts:
    values = json.loads(text)
    values["collection_ids"] = tuple(CollectionId(name) for name in values["collection_ids"])
    values["probes"] = {int(wanted): lists for wanted, lists in values.get("probes", {}).items()}
    return SegmentFacts(**values)


def _write_files(folder: Path, segment: Segment) -> None:
    with (folder / _INDEX).open("wb") as file:
        # by Python's file: FAISS's own says only that a write failed, and of the last bytes nothing
        faiss.write_index(segment.index, faiss.PyCallbackIOWriter(file.write))
    np.save(folder / _CHUNK_IDS, segment.chunk_ids.astype(np.int64))
    np.save(folder / _COLLECTIONS, segment.collection_codes.astype(np.int32))
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    facts = asdict(segment.facts) | {"file_bytes": sizes}
    (folder / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
    sync_files(folder)


def sync_files(folder: Path) -> None:
    """Flush every file of a folder to the disk."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
