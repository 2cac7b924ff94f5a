"""Another embedding model takes over at one instant, with everything that came meanwhile."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest
from sqlalchemy import func, select

from core.embedding import Embedder
from core.merging import Workshop
from core.segments import list_segments
from core.tables import ManifestRow, NextVectorRow, SegmentRow
from core.verify import Premises, verify
from ingestion.pipeline import Stages
from ingestion.reembedding import change_model, find_missing, keep_vectors
from retrieval.lexical.follower import LexicalFollower
from retrieval.lexical.index import LexicalIndex
from retrieval.retriever import Retriever
from retrieval.segments import SegmentReader
from retrieval.types import Mode
from tests.fakes import FakeEmbedder
from tests.unit.ingestion.house import EVERYTHING, LIMITS, NO_ORPHANS, DirectSandbox, House


class NextEmbedder(FakeEmbedder):
    """Of other dimensions than the first, so that a mixed search could not even be computed."""

    def __init__(self) -> None:
        super().__init__(model="next-embedder", num_dimensions=32)
        self.num_texts = 0
        self.before: Callable[[], None] = lambda: None

    def embed_passages(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed N passages -> (N, D)."""
        self.before()
        self.num_texts += len(texts)
        return super().embed_passages(texts)


class Change:
    """A house whose settings name another model than its index is of."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.next = NextEmbedder()
        self.shop = Workshop(house.database, house.store.segments)
        segments = SegmentReader(
            house.database, house.store.segments, embedding_model=self.next.model
        )
        self.retriever = Retriever(
            house.database,
            self.next,
            segments,
            LexicalFollower(house.database, LexicalIndex(house.data_dir / "lexical")),
            other_embedder=self.embedder_of,
        )

    def embedder_of(self, model: str) -> Embedder:
        assert model == self.house.embedder.model
        return self.house.embedder

    def stages(self) -> Stages:
        return Stages(
            self.house.store,
            DirectSandbox(LIMITS),
            self.next,
            self.house.settings,
            other_embedder=self.embedder_of,
        )

    def run(self) -> bool:
        return change_model(self.shop, self.next)

    def search(self, query: str) -> set[str]:
        passages = self.retriever.retrieve(query, access=EVERYTHING, top_k=50, mode=Mode.DENSE)
        return {passage.document_name for passage in passages}

    def models(self) -> tuple[str | None, set[str], int]:
        """Of the manifest and of the segments; how many vectors wait."""
        with self.house.database.read_scope() as session:
            return (
                session.scalars(select(ManifestRow.embedding_model)).one(),
                set(session.scalars(select(SegmentRow.embedding_model))),
                session.scalar(select(func.count()).select_from(NextVectorRow)) or 0,
            )

    def assert_changed(self) -> None:
        assert self.models() == (self.next.model, {self.next.model}, 0)
        assert self.house.orphans() == NO_ORPHANS
        premises = Premises(
            self.house.database, self.house.store.blobs, self.shop.files, alone=True
        )
        assert verify(premises, repair=False).findings == ()


@pytest.fixture
def change(house: House) -> Change:
    for number in range(3):
        house.add(f"{number}.txt", f"river number {number}".encode())
    return Change(house)


def once(what: Callable[[], object]) -> Callable[[], None]:
    left = [what]

    def run() -> None:
        if left:
            left.pop()()

    return run


def test_old_model_answers_until_the_next_is_complete(change: Change) -> None:
    seen: list[set[str]] = []
    change.next.before = lambda: seen.append(change.search("river"))

    assert change.run()

    everything = {"0.txt", "1.txt", "2.txt"}
    assert seen
    assert all(names == everything for names in seen)
    assert change.search("river") == everything
    change.assert_changed()
    assert not change.run()


def test_upload_and_deletion_during_the_change_are_in_the_next_index(change: Change) -> None:
    gone = change.house.add("gone.txt", b"river gone")

    def meanwhile() -> None:
        change.house.ingest(change.house.upload("new.txt", b"river new"), change.stages())
        change.house.documents.delete(gone.document_id, EVERYTHING)

    change.next.before = once(meanwhile)

    change.run()

    assert change.search("river") == {"0.txt", "1.txt", "2.txt", "new.txt"}
    change.assert_changed()


def test_vectors_that_come_from_elsewhere_in_any_order_make_the_same_index(change: Change) -> None:
    gone = change.house.add("gone.txt", b"river gone")
    delete = once(lambda: change.house.documents.delete(gone.document_id, EVERYTHING))

    def embed_elsewhere(shop: Workshop, embedder: Embedder) -> None:
        while missing := find_missing(shop, embedder, limit=100):
            vectors = embedder.embed_passages(missing.texts)
            delete()
            # the last ones first, and the first of all is lost: the next round has it
            for place in list(reversed(range(1, len(vectors)))) or [0]:
                ids = missing.chunk_ids[place : place + 1]
                keep_vectors(shop, embedder.model, ids, vectors[place : place + 1])

    assert change_model(change.shop, change.next, embed_elsewhere)
    assert change.search("river") == {"0.txt", "1.txt", "2.txt"}
    change.assert_changed()


def test_change_that_was_cut_short_goes_on_where_it_was(change: Change) -> None:
    change.house.add("long.txt", b"\n\n".join(b"river " + b"stone " * 150 for _ in range(60)))

    def die() -> None:
        if change.next.num_texts:
            raise KeyboardInterrupt

    change.next.before = die
    with pytest.raises(KeyboardInterrupt):
        change.run()
    model, segments, waiting = change.models()
    assert (model, segments) == (change.house.embedder.model, {change.house.embedder.model})
    assert waiting == change.next.num_texts
    assert "long.txt" in change.search("river stone")

    change.next.before = lambda: None
    change.run()

    change.assert_changed()
    assert change.next.num_texts == len(change.house.searchable_chunks())


def test_upload_embedded_by_the_old_model_is_embedded_again_after_the_switch(
    change: Change,
) -> None:
    change.house.embedder.before = once(change.run)

    change.house.ingest(change.house.upload("late.txt", b"river late"), change.stages())

    assert change.search("river") == {"0.txt", "1.txt", "2.txt", "late.txt"}
    change.assert_changed()


def test_model_that_is_wanted_no_more_leaves_nothing(change: Change) -> None:
    def die() -> None:
        if change.next.num_texts:
            raise KeyboardInterrupt

    change.house.add("long.txt", b"\n\n".join(b"river " + b"stone " * 150 for _ in range(60)))
    change.next.before = die
    with pytest.raises(KeyboardInterrupt):
        change.run()

    assert not change_model(change.shop, change.house.embedder)

    assert change.models()[2] == 0
    assert len(list_segments(change.shop.files.root)) == 4
