"""Segments between machines: what comes is what was published, whole, or an error."""

import shutil
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from core.blobs import BlobStore, FolderBlobStore
from core.errors import SegmentCorruptError
from core.ids import CollectionId, SegmentId
from core.segment_files import SegmentFiles
from core.segments import WRITING, SegmentContent, list_segments

SEGMENT = SegmentId("seg_1")


@dataclass(frozen=True)
class Named:
    """A segment as the manifest names it."""

    id: str
    num_vectors: int
    sha256: str | None


def content(num_vectors: int = 5) -> SegmentContent:
    """Vectors that can be told apart."""
    return SegmentContent(
        np.arange(num_vectors, dtype=np.int64),
        [CollectionId("col_1")] * num_vectors,
        np.eye(num_vectors, 8, dtype=np.float32),
    )


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    """What the machines have in common."""
    return FolderBlobStore(tmp_path / "shared", is_shared=True)


@pytest.fixture
def writer(tmp_path: Path, store: BlobStore) -> SegmentFiles:
    """The machine of an ingestion worker."""
    return SegmentFiles(tmp_path / "writer/segments", store)


@pytest.fixture
def reader(tmp_path: Path, store: BlobStore) -> SegmentFiles:
    """Another machine."""
    return SegmentFiles(tmp_path / "reader/segments", store)


def write(writer: SegmentFiles, segment_id: SegmentId = SEGMENT) -> Named:
    """Write and publish a segment."""
    return Named(segment_id, 5, writer.write(segment_id, content()))


def test_another_machine_opens_what_was_published(
    writer: SegmentFiles, reader: SegmentFiles
) -> None:
    named = write(writer)
    found, written = reader.load(named), writer.load(named)
    assert found.chunk_ids.tolist() == written.chunk_ids.tolist()
    assert found.facts == written.facts
    assert np.array_equal(found.index.reconstruct_n(0, 5), written.index.reconstruct_n(0, 5))
    assert list_segments(reader.root) == {SEGMENT}


def test_what_is_here_is_not_fetched(
    writer: SegmentFiles, reader: SegmentFiles, store: BlobStore
) -> None:
    named = write(writer)
    reader.load(named)
    store.delete(list(store.list()))
    assert len(reader.load(named).chunk_ids) == 5


@pytest.mark.parametrize("name", ["vectors.faiss", "chunk_ids.npy", "segment.json"])
def test_a_damaged_copy_is_fetched_again(
    writer: SegmentFiles, reader: SegmentFiles, name: str
) -> None:
    named = write(writer)
    reader.load(named)
    (reader.root / SEGMENT / name).write_bytes(b"rotten")
    assert reader.load(named).chunk_ids.tolist() == [0, 1, 2, 3, 4]
    assert list_segments(reader.root) == {SEGMENT}


def test_a_copy_without_its_file_is_fetched_again(
    writer: SegmentFiles, reader: SegmentFiles
) -> None:
    named = write(writer)
    reader.load(named)
    (reader.root / SEGMENT / "collections.npy").unlink()
    assert len(reader.load(named).chunk_ids) == 5


def test_bytes_that_changed_in_the_store_are_never_opened(
    writer: SegmentFiles, reader: SegmentFiles, tmp_path: Path
) -> None:
    named = write(writer)
    (packed,) = (tmp_path / "shared").glob("??/*")
    data = bytearray(packed.read_bytes())
    data[len(data) // 2] ^= 1
    packed.write_bytes(bytes(data))
    with pytest.raises(SegmentCorruptError, match="cannot be fetched"):
        reader.load(named)
    assert list_segments(reader.root) == set()


def test_what_is_gone_from_the_store_is_an_error(
    writer: SegmentFiles, reader: SegmentFiles, store: BlobStore
) -> None:
    named = write(writer)
    store.delete(list(store.list()))
    with pytest.raises(SegmentCorruptError, match="cannot be fetched"):
        reader.load(named)
    assert list_segments(reader.root) == set()


def test_a_segment_in_no_store_is_an_error_elsewhere(
    writer: SegmentFiles, reader: SegmentFiles
) -> None:
    named = write(writer)
    with pytest.raises(SegmentCorruptError):
        reader.load(Named(named.id, named.num_vectors, None))
    alone = SegmentFiles(reader.root)
    with pytest.raises(SegmentCorruptError):
        alone.load(named)


def test_a_blob_with_other_files_is_refused(reader: SegmentFiles, store: BlobStore) -> None:
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../outside"), BytesIO())
    with store.begin() as blob:
        blob.write(packed.getvalue())
        blob.keep()
    with pytest.raises(SegmentCorruptError, match="none of its files"):
        reader.load(Named(SEGMENT, 5, blob.sha256))
    assert list_segments(reader.root) == set()


def test_two_segments_with_the_same_vectors_are_two_blobs(
    writer: SegmentFiles, reader: SegmentFiles, store: BlobStore
) -> None:
    first, second = write(writer), write(writer, SegmentId("seg_2"))
    assert first.sha256 != second.sha256
    writer.delete(SEGMENT, first.sha256)
    assert list(store.list()) == [second.sha256]
    assert len(reader.load(second).chunk_ids) == 5


def test_a_publication_that_fails_leaves_nothing_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FolderBlobStore(tmp_path / "shared")
    writer = SegmentFiles(tmp_path / "writer/segments", store)
    shutil.rmtree(tmp_path / "shared")
    with pytest.raises(FileNotFoundError):
        writer.write(SEGMENT, content())
    assert list_segments(writer.root) == set()


def test_what_no_manifest_names_is_evicted_once_nobody_can_be_about_to_name_it(
    writer: SegmentFiles, reader: SegmentFiles
) -> None:
    kept, gone, new = (write(writer, SegmentId(f"seg_{each}")) for each in ("a", "b", "c"))
    for named in (kept, gone, new):
        reader.load(named)
    reader.evict({SegmentId(kept.id)}, known={SegmentId(gone.id)})
    assert list_segments(reader.root) == {kept.id, new.id}
    reader.evict({SegmentId(kept.id)}, known={SegmentId(new.id)})
    assert list_segments(reader.root) == {kept.id}
    SegmentFiles(writer.root).evict(set(), known={SegmentId(gone.id)})
    assert len(list_segments(writer.root)) == 3


class HeldStore(FolderBlobStore):
    """Gives no copy away until it may."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, is_shared=True)
        self.was_asked, self.may_give = threading.Event(), threading.Event()

    @contextmanager
    def local_file(self, sha256: str, folder: Path) -> Iterator[Path]:
        self.was_asked.set()
        assert self.may_give.wait(60)
        with super().local_file(sha256, folder) as path:
            yield path


@contextmanager
def fetching(named: Named, root: Path, store: Path) -> Iterator[Path]:
    """A process fetches a segment, and has it behind the block; the folder that it fills."""
    held = HeldStore(store)
    files = SegmentFiles(root, held)
    thread = threading.Thread(target=files.fetch, args=(named,))
    thread.start()
    try:
        assert held.was_asked.wait(60)
        (place,) = root.glob(f"{named.id}.*")
        yield place
    finally:
        held.may_give.set()
        thread.join()


def test_what_a_fetch_is_filling_is_not_idle(
    writer: SegmentFiles, reader: SegmentFiles, tmp_path: Path
) -> None:
    named, other = write(writer), write(writer, SegmentId("seg_2"))
    reader.load(other)
    # of a process that died in the middle
    left = SegmentId(f"{other.id}.0123{WRITING}")
    (reader.root / left).mkdir()
    with fetching(named, reader.root, tmp_path / "shared") as place:
        assert place.is_dir()
        assert reader.list_idle() == {other.id, left}
    assert reader.list_idle() == {named.id, other.id, left}
    assert list((reader.root.parent / "fetching").iterdir()) == []
