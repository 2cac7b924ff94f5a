"""A machine that shares the database and a store finds what the others find, whatever fails."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from core.access import Access
from core.blobs import FolderBlobStore
from core.errors import BlobStoreUnavailableError
from core.ids import SegmentId
from core.merging import Workshop, merge_once, publish_missing
from core.segment_files import SegmentFiles
from core.segments import list_segments
from core.tables import SegmentRow
from retrieval import fetching, segments
from retrieval.retriever import Retriever
from retrieval.segments import SegmentReader
from tests.library import Library

EVERYTHING = Access.to_everything()


class Store(FolderBlobStore):
    """A store that can be slow, or away."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.held: set[str] = set()
        self.may_answer = threading.Event()
        self.is_away = False
        self.num_fetched = 0

    @contextmanager
    def local_file(self, sha256: str, folder: Path) -> Iterator[Path]:
        """The file, as soon as it may be had."""
        if sha256 in self.held:
            assert self.may_answer.wait(120)
        if self.is_away:
            raise BlobStoreUnavailableError("it is away")
        self.num_fetched += 1
        with super().local_file(sha256, folder) as path:
            yield path


class Elsewhere:
    """Another machine: its own folder, the same database and store."""

    def __init__(self, library: Library, folder: Path, store: Store) -> None:
        self.library = library
        self.files = SegmentFiles(folder / "segments", store)
        self.reader = self.fresh_reader()

    def fresh_reader(self) -> SegmentReader:
        """As after a start of its process."""
        model = self.library.embedder.model
        return SegmentReader(self.library.database, self.files, embedding_model=model)

    def names(self, query: str = "word") -> list[str]:
        """The documents that a search finds, each as often as it is found."""
        library = self.library
        retriever = Retriever(library.database, library.embedder, self.reader, library.lexical())
        found = retriever.retrieve(query, access=EVERYTHING, top_k=50)
        return sorted(passage.document_name for passage in found)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """What the machines share beside the database."""
    return Store(tmp_path / "shared")


@pytest.fixture
def elsewhere(library: Library, tmp_path: Path, store: Store) -> Elsewhere:
    """A machine that has nothing yet."""
    return Elsewhere(library, tmp_path / "elsewhere", store)


@pytest.fixture
def shop(library: Library, store: Store) -> Workshop:
    """The machine of the ingestion worker."""
    return Workshop(library.database, SegmentFiles(library.root, store))


def add(library: Library, shop: Workshop, *names: str) -> None:
    """Make documents searchable, and publish their segments."""
    for name in names:
        library.publish(library.default_collection(), name, [f"the word of {name}"])
    publish_missing(shop)


def named(library: Library) -> set[str]:
    """Every segment that the manifest names."""
    with library.database.read_scope() as session:
        return set(session.scalars(select(SegmentRow.id)))


def merge_all(shop: Workshop) -> None:
    """Make one segment of all."""
    assert merge_once(shop, lambda sizes: [size.id for size in sizes]) is not None


def test_it_finds_what_was_published_and_nothing_that_was_deleted(
    library: Library, shop: Workshop, elsewhere: Elsewhere
) -> None:
    collection = library.default_collection()
    gone = library.publish(collection, "gone.txt", ["the secret word"])
    publish_missing(shop)
    assert elsewhere.names() == ["gone.txt"]
    add(library, shop, "kept.txt")
    assert elsewhere.names() == ["gone.txt", "kept.txt"]
    library.delete(gone)
    assert elsewhere.names() == ["kept.txt"]
    merge_all(shop)
    assert elsewhere.names() == ["kept.txt"]
    assert list_segments(elsewhere.files.root) == named(library)


def test_what_it_has_is_there_at_the_next_start(
    library: Library, shop: Workshop, elsewhere: Elsewhere, store: Store
) -> None:
    add(library, shop, "a.txt", "b.txt")
    elsewhere.reader.warm()
    assert store.num_fetched == 2
    store.is_away = True
    elsewhere.reader = elsewhere.fresh_reader()
    assert elsewhere.names() == ["a.txt", "b.txt"]
    assert store.num_fetched == 2


def test_a_store_that_is_away_costs_time_and_no_answer(
    library: Library,
    shop: Workshop,
    elsewhere: Elsewhere,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add(library, shop, "a.txt")
    assert elsewhere.names() == ["a.txt"]
    store.is_away = True
    add(library, shop, "b.txt")
    assert elsewhere.names() == ["a.txt", "b.txt"]
    assert len(list_segments(elsewhere.files.root)) == 1
    store.is_away = False
    monkeypatch.setattr(segments, "_LOOK_AGAIN_S", -1.0)
    assert elsewhere.names() == ["a.txt", "b.txt"]
    assert list_segments(elsewhere.files.root) == named(library)


def test_bytes_that_are_wrong_in_the_store_are_searched_from_the_rows(
    library: Library, shop: Workshop, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    add(library, shop, "a.txt", "b.txt")
    for packed in (tmp_path / "shared").glob("??/*"):
        packed.write_bytes(packed.read_bytes()[:-1] + b"x")
    assert elsewhere.names() == ["a.txt", "b.txt"]
    assert list_segments(elsewhere.files.root) == set()


def test_searches_go_on_while_a_merged_segment_is_fetched(
    library: Library,
    shop: Workshop,
    elsewhere: Elsewhere,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetching, "_SMALL_VECTORS", 2)
    collection = library.default_collection()
    gone = library.publish(collection, "gone.txt", ["the secret word"])
    add(library, shop, "a.txt", "b.txt")
    assert elsewhere.names() == ["a.txt", "b.txt", "gone.txt"]
    old = list_segments(elsewhere.files.root)
    library.delete(gone)
    before = set(store.list())
    merge_all(shop)
    store.held = set(store.list()) - before
    # the old ones go on answering: each passage once, and none that was deleted
    assert elsewhere.names() == ["a.txt", "b.txt"]
    opened = {each.segment.id for each in elsewhere.reader.snapshot().segments}
    assert opened < old
    late = library.publish(collection, "late.txt", ["a late word"])
    publish_missing(shop)
    # a small one does not wait for a large one
    assert elsewhere.names() == ["a.txt", "b.txt", "late.txt"]
    library.delete(late)
    assert elsewhere.names() == ["a.txt", "b.txt"]
    assert elsewhere.reader._fetcher.num_settled == 0
    store.may_answer.set()
    _wait_until_fetched(elsewhere)
    assert elsewhere.names() == ["a.txt", "b.txt"]
    assert {each.segment.id for each in elsewhere.reader.snapshot().segments} == named(library)
    assert list_segments(elsewhere.files.root) == named(library)


def _wait_until_fetched(elsewhere: Elsewhere) -> None:
    fetcher = elsewhere.reader._fetcher
    done = threading.Event()
    while any(fetcher.is_coming(SegmentId(name)) for name in named(elsewhere.library)):
        done.wait(0.01)
