"""Work that was cut short goes on, ends once, and leaves the same as work that was not."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import undefer

from core.ids import SegmentId
from core.segments import SegmentContent, load_segment, write_segment
from core.tables import ChunkRow, ManifestRow, SegmentRow
from ingestion.attempts import NoLongerWantedError
from ingestion.errors import NoTextFoundError, PoisonDocumentError
from ingestion.pipeline import WorkerStoppingError
from ingestion.sweep import sweep, sweep_deleted
from tests.unit.ingestion.house import EVERYTHING, NO_ORPHANS, House, attempt_of

TEXT = b"# One\n" + b"A sentence with words. " * 200 + b"\n# Two\n" + b"More of them here. " * 200


class PowerCutError(BaseException):
    """Stands for the end of the process at this point."""


def _cut_at(call: int) -> Callable[[], None]:
    calls = iter(range(1000))

    def before() -> None:
        if next(calls) == call:
            raise PowerCutError

    return before


def _generation(house: House) -> int:
    with house.database.read_scope() as session:
        return session.scalars(select(ManifestRow.generation)).one()


def test_segment_and_database_hold_the_same_vectors(house: House) -> None:
    house.add("a.md", TEXT)
    with house.database.read_scope() as session:
        rows = session.scalars(select(ChunkRow).options(undefer(ChunkRow.vector))).all()
        segment = session.scalars(select(SegmentRow)).one()
    opened = load_segment(
        house.store.segments.root, SegmentId(segment.id), num_vectors=segment.num_vectors
    )
    assert opened.chunk_ids.tolist() == [row.id for row in rows]
    from_index = opened.index.reconstruct_n(0, len(rows))
    from_rows = np.stack([np.frombuffer(row.vector, "<f2") for row in rows]).astype(np.float32)
    assert np.array_equal(from_index, from_rows)
    assert {row.ordinal for row in rows} == set(range(len(rows)))


def test_a_chunk_in_the_database_is_a_slice_of_the_text(house: House) -> None:
    accepted = house.add("a.md", TEXT)
    text = house.documents.text(accepted.document_id, EVERYTHING, number=None).text
    with house.database.read_scope() as session:
        rows = session.scalars(select(ChunkRow)).all()
    assert len(rows) > 4
    assert all(row.text == text[row.start : row.end] for row in rows)
    assert {row.heading for row in rows} == {"One", "Two"}


def test_embedding_goes_on_where_it_stopped(house: House, tmp_path: Path) -> None:
    whole = House(tmp_path / "whole")
    whole.add("a.md", TEXT)
    expected = [text for _, text in whole.searchable_chunks()]
    whole.close()
    accepted = house.upload("a.md", TEXT)
    house.embedder.before = _cut_at(2)
    with pytest.raises(PowerCutError):
        house.ingest(accepted)
    assert house.embedder.num_texts == 8
    house.embedder.before = lambda: None
    house.ingest(accepted)
    assert house.embedder.num_texts == len(expected)
    assert [text for _, text in house.searchable_chunks()] == expected


def test_vectors_of_another_model_are_not_mixed_in(house: House) -> None:
    accepted = house.upload("a.md", TEXT)
    house.embedder.before = _cut_at(2)
    with pytest.raises(PowerCutError):
        house.ingest(accepted)
    house.embedder.before = lambda: None
    house.embedder.model, house.embedder.num_texts = "another", 0
    house.ingest(accepted)
    assert house.embedder.num_texts == len(house.searchable_chunks())


@pytest.mark.parametrize(
    "name", ["parsed.json", "chunks.json", "vectors-fake-embedder/000000000.npy"]
)
def test_damaged_staged_work_is_done_again(house: House, name: str) -> None:
    accepted = house.upload("a.md", TEXT)
    stages, attempt = house.stages(), attempt_of(accepted)
    for step in (stages.parse, stages.chunk, stages.embed):
        step(attempt)
    path = house.store.staging.of(accepted.version_id).folder / name
    path.write_bytes(path.read_bytes()[:20])
    stages.publish(attempt)
    assert len(house.searchable_chunks()) > 4


def test_publishing_twice_is_publishing_once(house: House) -> None:
    accepted = house.add("a.md", TEXT)
    before = (_generation(house), house.searchable_chunks())
    with pytest.raises(NoLongerWantedError):
        house.stages().publish(attempt_of(accepted))
    assert (_generation(house), house.searchable_chunks()) == before
    house.stages().clean(attempt_of(accepted))
    assert house.orphans() == NO_ORPHANS


def test_every_publication_and_deletion_moves_the_generation(house: House) -> None:
    start = _generation(house)
    accepted = house.add("a.md", TEXT)
    published = _generation(house)
    house.documents.delete(accepted.document_id, EVERYTHING)
    assert start < published < _generation(house)


def test_chunk_ids_are_never_given_twice(house: House) -> None:
    first = house.add("a.md", TEXT)
    old = {chunk_id for chunk_id, _ in house.searchable_chunks()}
    house.documents.delete(first.document_id, EVERYTHING)
    house.add("a.md", TEXT)
    assert not old & {chunk_id for chunk_id, _ in house.searchable_chunks()}


def test_a_text_of_marks_only_has_nothing_to_find(house: House) -> None:
    accepted = house.upload("a.txt", b"--- *** ...\n")
    with pytest.raises(NoTextFoundError):
        house.ingest(accepted)


def test_a_sweep_removes_what_a_crash_left_and_nothing_else(house: House) -> None:
    house.add("a.md", TEXT)
    running = house.upload("b.md", b"# B\nb words")
    house.stages().parse(attempt_of(running))
    kept = house.searchable_chunks()
    content = SegmentContent(
        np.array([10**6]), [house.default()], np.ones((1, 64), dtype=np.float32)
    )
    write_segment(house.store.segments.root, SegmentId("seg_orphan"), content)
    (house.store.segments.root / "seg_half.writing").mkdir()
    (house.data_dir / "staging" / "ver_gone").mkdir()
    with house.store.blobs.begin() as blob:
        blob.write(b"of no version")
        blob.keep()
    swept = sweep(house.store)
    assert (swept.segments, swept.staged, swept.blobs) == (2, 1, 1)
    assert house.searchable_chunks() == kept
    house.ingest(running)
    house.stages().clean(attempt_of(running))
    assert house.orphans() == NO_ORPHANS


def test_what_is_staged_for_a_deleted_document_goes_while_others_work(house: House) -> None:
    running = house.upload("b.md", b"# B\nb words")
    house.stages().parse(attempt_of(running))
    staging = house.store.staging
    for name, age_s in (("ver_gone.3", 120), ("ver_coming", 0)):
        folder = house.data_dir / "staging" / name
        folder.mkdir()
        os.utime(folder, (time.time() - age_s,) * 2)
    for folder in staging.find_folders(running.version_id):
        os.utime(folder, (0, 0))
    assert sweep_deleted(house.store) == 1
    assert staging.list() == {running.version_id, "ver_coming"}


def test_a_document_that_kills_its_worker_three_times_is_left_alone(house: House) -> None:
    accepted = house.upload("a.md", TEXT)
    tries = house.store.staging.of(accepted.version_id).folder / "tries.json"
    for count in (1, 2, 3):
        house.embedder.before = lambda: None
        stages = house.stages()
        stages.parse(attempt_of(accepted))
        stages.chunk(attempt_of(accepted))
        tries.write_text(json.dumps(["embedding from chunk 0", count]))
        if count < 3:
            house.embedder.before = _cut_at(0)
            with pytest.raises(PowerCutError):
                stages.embed(attempt_of(accepted))
    with pytest.raises(PoisonDocumentError):
        stages.embed(attempt_of(accepted))


def test_deaths_at_different_points_are_no_poison(house: House) -> None:
    staged = house.store.staging.of(house.upload("a.md", TEXT).version_id)
    staged.create()
    for done in range(0, 400, 4):
        staged.count_try(f"embedding from chunk {done}")
    for _ in range(2):
        staged.count_try("embedding from chunk 396")
    with pytest.raises(PoisonDocumentError):
        staged.count_try("embedding from chunk 396")


def test_a_stopping_worker_leaves_its_work_where_it_is(house: House) -> None:
    accepted = house.upload("a.md", TEXT)
    stages = house.stages()
    house.embedder.before = stages.stop
    with pytest.raises(WorkerStoppingError):
        house.ingest(accepted, stages)
    assert house.jobs.get(accepted.job_id, EVERYTHING).state == "running"
    house.embedder.before = lambda: None
    house.ingest(accepted)
    assert house.jobs.get(accepted.job_id, EVERYTHING).state == "searchable"
