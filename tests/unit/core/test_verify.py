"""Verification finds every kind of disagreement, mends what can be mended, and says the rest."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete, select, update

from core.access import Access
from core.blobs import FolderBlobStore
from core.ids import CollectionId, SegmentId
from core.segment_files import SegmentFiles
from core.segments import WRITING, SegmentContent, list_segments, write_segment
from core.tables import ChunkRow, DeletedChunkRow, JobRow, SegmentRow, VersionRow, VersionTextRow
from core.verify import Checked, Finding, Premises, VerifyReport, verify
from tests.library import Library
from tests.unit.core.test_segment_files import fetching, write


def run(library: Library, *, repair: bool = False, alone: bool = True) -> VerifyReport:
    premises = Premises(library.database, library.blobs, library.segments, alone=alone)
    return verify(premises, repair=repair)


def kinds(report: VerifyReport) -> set[str]:
    return {finding.kind for finding in report.findings}


def publish_two(library: Library) -> None:
    collection = library.default_collection()
    library.publish(collection, "one.txt", ["first chunk", "second chunk"])
    library.publish(collection, "two.txt", ["third chunk"])


def test_sound_library_has_no_findings_and_counts_what_it_checked(library: Library) -> None:
    publish_two(library)

    report = run(library)

    assert report.is_ok
    assert report.findings == ()
    assert report.checked == {"versions": 2, "chunks": 3, "segments": 2, "vectors": 3, "blobs": 2}


def test_deleted_document_leaves_nothing_but_its_bytes_to_find(library: Library) -> None:
    publish_two(library)
    document = library.publish(library.default_collection(), "gone.txt", ["secret"])
    library.delete(document)

    assert kinds(run(library)) == {"orphan_blob"}
    assert run(library, repair=True).is_ok
    assert run(library).findings == ()


def test_vector_without_a_chunk_is_found_and_mended(library: Library) -> None:
    document = library.publish(library.default_collection(), "ghost.txt", ["boo", "boo again"])
    publish_two(library)
    library.delete(document, tombstones=False)

    report = run(library)
    assert "orphan_vector" in kinds(report)
    assert not report.is_ok

    run(library, repair=True)
    assert run(library).findings == ()


def test_missing_segment_is_rebuilt_from_rows_without_a_model(library: Library) -> None:
    publish_two(library)
    before = library.retriever().retrieve("first chunk", access=Access.to_everything(), top_k=3)
    shutil.rmtree(next(library.root.iterdir()))
    assert "segment" in kinds(run(library))

    run(library, repair=True)

    assert run(library).findings == ()
    after = library.retriever().retrieve("first chunk", access=Access.to_everything(), top_k=3)
    assert [passage.id for passage in after] == [passage.id for passage in before]
    assert len(list_segments(library.root)) == 1


def test_vector_that_differs_from_its_row_is_found(library: Library) -> None:
    publish_two(library)
    with library.database.session_scope() as session:
        other = np.ones(library.embedder.num_dimensions, dtype="<f2").tobytes()
        chunk = session.scalars(select(ChunkRow.id).limit(1)).one()
        session.execute(update(ChunkRow).where(ChunkRow.id == chunk).values(vector=other))

    assert kinds(run(library)) == {"vector"}


def test_chunk_that_is_in_two_segments_is_found(library: Library) -> None:
    publish_two(library)
    add_segment_of_first_chunk(library)

    assert kinds(run(library)) == {"double_vector"}


def test_chunk_that_is_not_its_slice_is_made_anew_from_the_bytes(library: Library) -> None:
    publish_two(library)
    with library.database.session_scope() as session:
        session.execute(update(VersionTextRow).values(text="something else altogether, and long"))

    assert kinds(run(library)) == {"chunk_text"}
    assert run(library, repair=True).is_ok
    assert run(library).findings == ()
    with library.database.read_scope() as session:
        states = session.execute(
            select(VersionRow.state, JobRow.state, JobRow.attempt).join(
                JobRow, JobRow.id == VersionRow.id
            )
        ).all()
    assert states == [("queued", "queued", 2)] * 2


def test_what_disagrees_is_kept_where_the_bytes_are_gone(library: Library) -> None:
    publish_two(library)
    for sha256 in list(library.blobs.list()):
        library.blobs.delete([sha256])
    with library.database.session_scope() as session:
        session.execute(update(VersionTextRow).values(text="something else altogether, and long"))

    assert kinds(run(library)) == {"chunk_text", "missing_blob"}
    assert not run(library, repair=True).is_ok
    with library.database.read_scope() as session:
        assert len(session.scalars(select(ChunkRow.id)).all()) == 3


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        (delete(VersionTextRow), "missing_text"),
        (update(VersionRow).values(num_chunks=7), "chunk_count"),
        (update(VersionRow).values(state="replaced"), "chunk_count"),
        (update(ChunkRow).values(collection_id="col_other"), "chunk_place"),
        (update(ChunkRow).values(vector=b"12"), "vector_length"),
        (delete(SegmentRow), "missing_vector"),
        (delete(JobRow), "missing_job"),
        (update(JobRow).values(state="running"), "job_state"),
        (update(VersionRow).values(state="running"), "job_state"),
        (update(VersionRow).values(state="failed"), "job_state"),
        (update(DeletedChunkRow).values(chunk_id=1), "missing_vector"),
    ],
)
def test_rows_that_disagree_are_found_and_mended(
    library: Library, statement: object, kind: str
) -> None:
    publish_two(library)
    with library.database.session_scope() as session:
        session.add(DeletedChunkRow(chunk_id=1000, generation=1))
        session.flush()
        session.execute(statement)  # type: ignore[call-overload]  # delete and update share no type

    report = run(library)
    assert kind in kinds(report)
    assert not report.is_ok
    assert run(library, repair=True).is_ok
    assert run(library).findings == ()


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("DELETE FROM documents WHERE name = 'one.txt'", "orphan_row"),
        ("DELETE FROM collections", "orphan_row"),
        ("DELETE FROM versions", "empty_document"),
    ],
)
def test_rows_without_what_they_belong_to_are_removed(
    library: Library, tmp_path: Path, statement: str, kind: str
) -> None:
    publish_two(library)
    # as a damaged file or a careless hand would do it: this connection checks no references
    with closing(sqlite3.connect(tmp_path / "cimiento.db")) as careless, careless:
        careless.execute(statement)

    assert kind in kinds(run(library))
    assert run(library, repair=True).is_ok
    assert run(library).findings == ()


def test_tampered_and_missing_bytes_are_found_by_the_documents_name(library: Library) -> None:
    publish_two(library)
    first, second = sorted(library.blobs.list())
    library.blobs.path(first).write_bytes(b"tampered")
    library.blobs.delete([second])

    report = run(library, repair=True)
    assert kinds(report) == {"blob", "missing_blob"}
    assert not report.is_ok
    assert all("in 'default'" in finding.detail for finding in report.findings)


@pytest.mark.parametrize("alone", [True, False])
def test_bytes_of_no_version_are_removed(library: Library, *, alone: bool) -> None:
    with library.blobs.begin() as blob:
        blob.write(b"left behind")
        blob.keep()

    assert kinds(run(library, alone=alone)) == {"orphan_blob"}
    assert run(library, alone=alone, repair=True).is_ok
    assert run(library).findings == ()


def test_further_checks_are_part_of_the_report(library: Library) -> None:
    def check(*, repair: bool) -> Checked:
        return Checked("terms", 7, (Finding("orphan_term", "x", "of no chunk", mended=repair),))

    premises = Premises(library.database, library.blobs, library.segments, alone=True)
    report = verify(premises, repair=False, checks=[check])
    assert (report.checked["terms"], kinds(report), report.is_ok) == (7, {"orphan_term"}, False)
    assert verify(premises, repair=True, checks=[check]).is_ok


def test_fresh_unnamed_folder_is_an_orphan_only_when_nothing_is_being_published(
    library: Library,
) -> None:
    publish_two(library)
    vectors = library.embedder.embed_passages(["x"])
    content = SegmentContent(np.array([99], dtype=np.int64), [CollectionId("c")], vectors)
    write_segment(library.root, SegmentId("seg_orphan"), content)

    assert run(library, alone=False).findings == ()
    assert kinds(run(library, alone=True)) == {"orphan_segment"}
    assert run(library, alone=True, repair=True).is_ok
    assert "seg_orphan" not in list_segments(library.root)


def test_rebuilding_forgets_tombstones_that_no_segment_needs(library: Library) -> None:
    document = library.publish(library.default_collection(), "gone.txt", ["secret"])
    publish_two(library)
    library.delete(document)
    shutil.rmtree(sorted(library.root.iterdir())[-1])

    run(library, repair=True)

    with library.database.read_scope() as session:
        assert session.scalars(select(DeletedChunkRow.chunk_id)).all() == []


def add_segment_of_first_chunk(library: Library) -> None:
    with library.database.session_scope() as session:
        row = session.execute(select(ChunkRow.id, ChunkRow.collection_id, ChunkRow.vector)).first()
        assert row is not None
        vector = np.frombuffer(row.vector, dtype="<f2").astype(np.float32)[None]
        content = SegmentContent(
            np.array([row.id], dtype=np.int64), [CollectionId(row.collection_id)], vector
        )
        write_segment(library.root, SegmentId("seg_second"), content)
        session.add(
            SegmentRow(
                id="seg_second",
                embedding_model=library.embedder.model,
                num_vectors=1,
                num_dimensions=vector.shape[1],
            )
        )


@pytest.mark.parametrize("alone", [True, False])
def test_what_a_search_is_fetching_is_no_orphan(
    library: Library, tmp_path: Path, *, alone: bool
) -> None:
    publish_two(library)
    shared = FolderBlobStore(tmp_path / "shared", is_shared=True)
    # of a snapshot that a search still has: a merge has replaced it since
    named = write(SegmentFiles(tmp_path / "writer/segments", shared))
    # of a process that died in the middle
    left = library.root / f"seg_dead.0123{WRITING}"
    left.mkdir()
    os.utime(left, (0, 0))
    segments = SegmentFiles(library.root, shared)
    premises = Premises(library.database, library.blobs, segments, alone=alone)
    with fetching(named, library.root, tmp_path / "shared") as place:
        # however long the way from the store takes
        os.utime(place, (0, 0))
        report = verify(premises, repair=True)
        assert [(each.kind, each.subject) for each in report.findings] == [
            ("orphan_segment", left.name)
        ]
    assert len(segments.load_here(named).chunk_ids) == named.num_vectors
