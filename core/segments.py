"""Segments of the dense index on disk: written whole, never changed. Knows no database."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import faiss
import numpy as np
import numpy.typing as npt

from core.blobs import sync_folder
from core.errors import SegmentCorruptError
from core.ids import CollectionId, SegmentId

_INDEX: Final = "vectors.faiss"
_CHUNK_IDS: Final = "chunk_ids.npy"
_COLLECTIONS: Final = "collections.npy"
_FACTS: Final = "segment.json"
_WRITING: Final = ".writing"

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Segment:
    """An open segment of N vectors.

    `chunk_ids` is (N,) int64; `collection_codes` is (N,) int32, each an index into
    `collection_ids`. Vectors are unit length, so that the inner product is the cosine.
    """

    id: SegmentId
    index: Any  # faiss.Index; the package has no types
    chunk_ids: npt.NDArray[np.int64]
    collection_codes: npt.NDArray[np.int32]
    collection_ids: tuple[CollectionId, ...]


@dataclass(frozen=True, slots=True)
class SegmentContent:
    """What a segment is made from: three parallel columns of N rows."""

    chunk_ids: npt.NDArray[np.int64]
    collection_ids: list[CollectionId]
    vectors: Vectors


def write_segment(root: Path, segment_id: SegmentId, content: SegmentContent) -> None:
    """Write a flat segment durably; it appears under its name only when it is whole.

    The segment is not searchable until the manifest names it. Raises OSError (disk full); nothing
    is left behind then.
    """
    writing = root / f"{segment_id}{_WRITING}"
    shutil.rmtree(writing, ignore_errors=True)
    writing.mkdir(parents=True)
    try:
        _write_files(writing, content)
        sync_folder(writing)
        # rename last: a reader must never see half a segment
        writing.rename(root / segment_id)
    except BaseException:
        shutil.rmtree(writing, ignore_errors=True)
        raise
    sync_folder(root)


def load_segment(root: Path, segment_id: SegmentId, *, num_vectors: int) -> Segment:
    """Open a segment. Raises `SegmentCorruptError` where the files disagree with the manifest."""
    folder = root / segment_id
    try:
        facts = json.loads((folder / _FACTS).read_text())
        index = faiss.read_index(str(folder / _INDEX))
        chunk_ids = np.load(folder / _CHUNK_IDS)
        codes = np.load(folder / _COLLECTIONS)
    except (OSError, ValueError, RuntimeError) as error:
        raise SegmentCorruptError(
            f"segment {segment_id} cannot be read ({error}); run 'cimiento verify --repair'"
        ) from error
    counts = {int(index.ntotal), len(chunk_ids), len(codes)}
    if counts != {num_vectors}:
        raise SegmentCorruptError(
            f"segment {segment_id} has {sorted(counts)} vectors, manifest says {num_vectors}; "
            "run 'cimiento verify --repair'"
        )
    collection_ids = tuple(CollectionId(name) for name in facts["collection_ids"])
    return Segment(segment_id, index, chunk_ids, codes, collection_ids)


def delete_segment(root: Path, segment_id: SegmentId) -> None:
    """Remove a segment that no manifest names any more."""
    shutil.rmtree(root / segment_id, ignore_errors=True)


def list_segments(root: Path) -> set[SegmentId]:
    """Every folder below the root, half-written ones included (those end in `.writing`)."""
    if not root.is_dir():
        return set()
    return {SegmentId(path.name) for path in root.iterdir() if path.is_dir()}


def _write_files(folder: Path, content: SegmentContent) -> None:
    names = sorted(set(content.collection_ids))
    code_of = {name: code for code, name in enumerate(names)}
    codes = np.array([code_of[name] for name in content.collection_ids], dtype=np.int32)
    index = faiss.IndexFlatIP(content.vectors.shape[1])
    index.add(np.ascontiguousarray(content.vectors, dtype=np.float32))
    faiss.write_index(index, str(folder / _INDEX))
    np.save(folder / _CHUNK_IDS, content.chunk_ids.astype(np.int64))
    np.save(folder / _COLLECTIONS, codes)
    (folder / _FACTS).write_text(json.dumps({"collection_ids": names}))
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
