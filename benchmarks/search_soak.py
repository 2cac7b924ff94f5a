"""A hundred threads search while documents come, change and go, and segments are merged.

    python -m benchmarks.search_soak [--minutes 5] [--quick] [--threads 100] [--json FILE]

Every search is held to three things: no passage of a document that was deleted before the search
began, none of a collection that the caller may not see, and the passage that was asked for word by
word, if it was committed before and still is after. Exit code 1 where one failed, or raised.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from benchmarks.report import build_manifest, report
from core.access import Access
from core.ids import CollectionId, DocumentId
from core.merge_plan import choose_full_merge
from core.merging import Workshop, merge_once
from ingestion.index_keeper import keep_index
from retrieval.lexical.follower import LexicalFollower
from retrieval.lexical.index import LexicalIndex
from retrieval.retriever import Retriever
from retrieval.segments import SegmentReader
from retrieval.types import Mode
from tests.unit.ingestion.house import House

_NUM_KEPT = 150
_TOP_K = 10
# A hundred callers without a pause leave the writer no turn in one Python process.
_THINKING_S = 0.4


@dataclass(slots=True)
class Books:
    """What is committed and what is deleted, as the writer knows it. Guarded by `lock`."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    # name -> (document, its collection, its text)
    live: dict[str, tuple[DocumentId, CollectionId, str]] = field(default_factory=dict)
    deleted_texts: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    num_searches: int = 0
    num_writes: int = 0
    num_merges: int = 0


class SearchSoak:
    """A house under load: one writer, one merger, many searchers with readers of their own."""

    def __init__(self, folder: Path, *, seed: int = 0) -> None:
        self.house = House(folder)
        self.house.embedder.num_dimensions = 384
        self.books = Books()
        self._random = Random(seed)  # noqa: S311 - the same documents every time
        self._stopping = threading.Event()
        create = self.house.collections.create
        self._collections = [create(name).id for name in ("ours", "theirs")]
        self._stages = self.house.stages()
        self._num_documents = 0

    def run(self, *, num_threads: int, duration_s: float) -> Books:
        """Search for so long; returns what was counted and every fault."""
        for _ in range(20):
            self._add()
        readers = [self._build_retriever() for _ in range(2)]  # as two processes would have
        work: list[Callable[[], None]] = [self._write, self._merge]
        work += [self._searcher(readers[n % 2], seed=n) for n in range(num_threads)]
        threads = [threading.Thread(target=self._repeat, args=(what,)) for what in work]
        for thread in threads:
            thread.start()
        time.sleep(duration_s)
        self._stopping.set()
        for thread in threads:
            thread.join()
        self.house.close()
        return self.books

    def _repeat(self, what: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            try:
                what()
            except Exception as error:  # noqa: BLE001 - a soak classifies and records
                self._fault(f"{type(error).__name__}: {error}")
                return

    def _fault(self, what: str) -> None:
        with self.books.lock:
            self.books.faults.append(what)

    def _build_retriever(self) -> Retriever:
        house = self.house
        reader = SegmentReader(
            house.database, house.store.segments, embedding_model=house.embedder.model
        )
        lexical = LexicalFollower(house.database, LexicalIndex(house.data_dir / "lexical"))
        return Retriever(house.database, house.embedder, reader, lexical)

    def _write(self) -> None:
        many = len(self.books.live) >= _NUM_KEPT
        doing = self._random.choices(
            (self._add, self._replace, self._delete), weights=(1, 1, 3 if many else 0.5)
        )[0]
        doing()
        self.books.num_writes += 1

    def _text(self) -> str:
        self._num_documents += 1
        words = (f"word{self._num_documents}{letter}" for letter in "abcdef")
        return " ".join(words)

    def _add(self) -> None:
        self._publish(f"{self._num_documents}.txt", self._random.choice(self._collections))

    def _replace(self) -> None:
        name, (_, collection, _) = self._random.choice(list(self.books.live.items()))
        self._publish(name, collection)

    def _publish(self, name: str, collection: CollectionId) -> None:
        text = self._text()
        with self.books.lock:
            before = self.books.live.pop(name, None)  # neither version is promised meanwhile
        accepted = self.house.upload(name, text.encode(), collection_id=collection)
        self.house.ingest(accepted, self._stages)
        with self.books.lock:
            self.books.live[name] = (accepted.document_id, collection, text)
            if before is not None:
                self.books.deleted_texts.add(before[2])

    def _delete(self) -> None:
        name = self._random.choice(list(self.books.live))
        with self.books.lock:
            document, _, text = self.books.live.pop(name)
        self.house.documents.delete(document, Access.to_everything())
        with self.books.lock:
            self.books.deleted_texts.add(text)

    def _merge(self) -> None:
        shop = Workshop(self.house.database, self.house.store.segments)
        keep_index(shop)
        with shop.lock():
            while merge_once(shop, choose_full_merge) is not None:
                self.books.num_merges += 1
        self._stopping.wait(0.2)

    def _searcher(self, retriever: Retriever, *, seed: int) -> Callable[[], None]:
        random = Random(seed)  # noqa: S311 - a draw, no secret
        mine = self._collections[seed % 2]
        access = Access(frozenset({mine}))

        def search() -> None:
            with self.books.lock:
                wanted = random.choice(list(self.books.live.values()))
                gone = [*sorted(self.books.deleted_texts)[-50:], "nothing"]
                deleted = frozenset(self.books.deleted_texts)
            query = wanted[2] if random.random() < 0.7 else random.choice(gone)
            found = retriever.retrieve(query, access=access, top_k=_TOP_K, mode=Mode.DENSE)
            texts = {passage.text for passage in found}
            with self.books.lock:
                self.books.num_searches += 1
                still = wanted in self.books.live.values()
            if deleted & texts:
                self._fault(f"a deleted passage was found: {sorted(deleted & texts)}")
            if any(passage.collection_id != mine for passage in found):
                self._fault("a passage of a foreign collection was found")
            if query == wanted[2] and wanted[1] == mine and still and query not in texts:
                self._fault(f"a committed passage was not found: {query}")
            self._stopping.wait(_THINKING_S * random.random())

        return search


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--quick", action="store_true", help="half a minute")
    parser.add_argument("--threads", type=int, default=100)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    duration_s = 30.0 if arguments.quick else 60 * arguments.minutes
    with tempfile.TemporaryDirectory() as folder:
        books = SearchSoak(Path(folder)).run(num_threads=arguments.threads, duration_s=duration_s)
    figures = {
        "num_searches": float(books.num_searches),
        "searches_per_s": books.num_searches / duration_s,
        "num_writes": float(books.num_writes),
        "num_merges": float(books.num_merges),
        "num_faults": float(len(books.faults)),
    }
    settings = {"threads": arguments.threads, "duration_s": duration_s}
    report(figures, build_manifest("search_soak", settings), json_path=arguments.json)
    if books.faults:
        sys.exit("\n".join(sorted(set(books.faults))[:20]))


if __name__ == "__main__":
    main()
