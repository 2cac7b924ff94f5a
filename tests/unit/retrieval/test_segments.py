"""Readers follow the manifest; a damaged segment costs time, never an answer."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from core.access import Access
from core.database import Database
from core.ids import SegmentId
from core.segments import delete_segment
from retrieval.segments import SegmentReader
from tests.library import Library

EVERYTHING = Access.to_everything()

Damage = Callable[[Path], object]


def remove(folder: Path) -> None:
    shutil.rmtree(folder)


def truncate(folder: Path) -> None:
    index = folder / "vectors.faiss"
    index.write_bytes(index.read_bytes()[:20])


def scribble(folder: Path) -> None:
    index = folder / "vectors.faiss"
    index.write_bytes(b"x" * index.stat().st_size)


def lose_the_facts(folder: Path) -> None:
    (folder / "segment.json").write_text("[]")


def mix_up_the_ids(folder: Path) -> None:
    np.save(folder / "chunk_ids.npy", np.load(folder / "chunk_ids.npy")[::-1])


@pytest.mark.parametrize("damage", [remove, truncate, scribble, lose_the_facts, mix_up_the_ids])
def test_damaged_segment_is_reported_and_searched_from_the_rows(
    library: Library, damage: Damage
) -> None:
    collection = library.default_collection()
    library.publish(collection, "a.txt", ["the bridge opened", "cats sleep"])
    library.publish(collection, "b.txt", ["the bridge closed", "dogs bark"])
    sound = library.retriever().retrieve("the bridge", access=EVERYTHING, top_k=4)
    damage(min(library.root.iterdir()))

    with capture_logs() as logs:
        found = library.retriever().retrieve("the bridge", access=EVERYTHING, top_k=4)

    assert found == sound
    assert [entry["event"] for entry in logs] == ["segment_corrupt"]
    assert "cimiento index rebuild" in logs[0]["reason"]


def test_what_stands_in_for_a_damaged_segment_follows_deletions(library: Library) -> None:
    collection = library.default_collection()
    gone = library.publish(collection, "gone.txt", ["the secret word"])
    library.publish(collection, "kept.txt", ["another word"])
    for folder in library.root.iterdir():
        truncate(folder)
    retriever = library.retriever()
    assert len(retriever.retrieve("word", access=EVERYTHING, top_k=5)) == 2

    library.delete(gone)
    library.publish(collection, "new.txt", ["a third word"])

    names = {p.document_name for p in retriever.retrieve("word", access=EVERYTHING, top_k=5)}
    assert names == {"kept.txt", "new.txt"}


def test_snapshot_keeps_answering_while_its_folders_are_removed(library: Library) -> None:
    library.publish(library.default_collection(), "a.txt", ["some text"])
    retriever = library.retriever()
    before = retriever.retrieve("text", access=EVERYTHING, top_k=1)

    for folder in library.root.iterdir():
        delete_segment(library.root, SegmentId(folder.name))

    assert retriever.retrieve("text", access=EVERYTHING, top_k=1) == before


def test_unchanged_segments_are_not_opened_again(library: Library) -> None:
    collection = library.default_collection()
    reader = SegmentReader(
        library.database, library.segments, embedding_model=library.embedder.model
    )
    doomed = library.publish(collection, "a.txt", ["one", "two"])
    first = reader.snapshot().segments
    library.publish(collection, "b.txt", ["three"])
    library.delete(doomed)

    second = reader.snapshot().segments

    assert second[0].segment is first[0].segment
    assert [opened.live.sum() for opened in second] == [0, 1]
    assert first[0].live.all()


def test_what_others_commit_is_found_and_what_they_delete_is_not(library: Library) -> None:
    collection = library.default_collection()
    gone = library.publish(collection, "gone.txt", ["the secret word"])
    other = Database(library.database.engine.url.render_as_string())
    elsewhere = replace(library, database=other)
    retriever = library.retriever()

    def names() -> set[str]:
        found = retriever.retrieve("word", access=EVERYTHING, top_k=5)
        return {passage.document_name for passage in found}

    assert names() == {"gone.txt"}
    elsewhere.publish(collection, "new.txt", ["another word"])
    assert names() == {"gone.txt", "new.txt"}
    elsewhere.delete(gone)
    assert names() == {"new.txt"}
    other.close()
