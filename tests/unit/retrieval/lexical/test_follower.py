"""The index follows the rows: through crashes, rivals, damage and merges."""

import shutil
import threading
from collections.abc import Sequence

import pytest
from sqlalchemy import delete, update

from core.access import Access
from core.tables import DeletedChunkRow, ManifestRow
from retrieval.lexical.follower import LexicalFollower
from retrieval.lexical.index import (
    LexicalIndex,
    LexicalIndexCorruptError,
    LexicalText,
    LexicalWriter,
)
from retrieval.types import Mode
from tests.library import Library

EVERYTHING = Access.to_everything()


def publish(library: Library, *names: str) -> None:
    for name in names:
        library.publish(library.default_collection(), name, [f"{name} one", f"{name} two"])


def assert_in_step(library: Library, follower: LexicalFollower, num_chunks: int) -> None:
    difference = follower.compare()
    assert (difference.missing, difference.orphans) == ((), ())
    assert difference.num_chunks == follower.current().num_chunks == num_chunks


def test_empty_library_gives_an_empty_index(library: Library) -> None:
    assert_in_step(library, library.lexical(), 0)


def test_what_is_published_and_deleted_is_followed(library: Library) -> None:
    follower = library.lexical()
    publish(library, "a", "b")
    assert_in_step(library, follower, 4)

    document = library.publish(library.default_collection(), "c", ["gone soon"])
    assert_in_step(library, follower, 5)
    library.delete(document)

    assert_in_step(library, follower, 4)


def test_another_process_reads_what_this_one_wrote(library: Library) -> None:
    writer, reader = library.lexical(), library.lexical()
    publish(library, "a")
    reader.current()

    publish(library, "b")
    writer.current()

    assert reader.current().num_chunks == 4


def test_index_goes_on_from_where_the_last_process_left_it(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(library, "a", "b")
    library.lexical().current()
    publish(library, "c")
    added: list[int] = []
    add = LexicalWriter.add

    def count(self: LexicalWriter, texts: Sequence[LexicalText]) -> None:
        added.append(len(texts))
        add(self, texts)

    monkeypatch.setattr(LexicalWriter, "add", count)

    assert_in_step(library, library.lexical(), 6)
    assert added == [2]


def test_crash_before_the_commit_is_made_good(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = library.lexical()
    publish(library, "a")
    with monkeypatch.context() as patch:
        patch.setattr(LexicalWriter, "commit", _crash)
        with pytest.raises(MemoryError):
            follower.current()

    assert_in_step(library, library.lexical(), 2)


def test_files_of_a_commit_that_was_killed_do_not_stop_the_next(library: Library) -> None:
    """Files come before the list of what counts; a file that no list names keeps its name taken."""
    folder = library.root.parent / "lexical"
    publish(library, "a")
    document = library.publish(library.default_collection(), "b", ["gone soon"])
    library.lexical().current()
    before = shutil.copytree(folder, folder.with_name("before"))
    library.delete(document)
    library.lexical().current()
    # its list of files, unlike its naming of them, a commit writes before them
    named = shutil.ignore_patterns(".managed.json")
    shutil.copytree(before, folder, dirs_exist_ok=True, ignore=named)

    assert_in_step(library, library.lexical(), 2)


def _crash(*_: object) -> None:
    raise MemoryError


def test_deletions_that_a_merge_cleared_first_are_found_out(library: Library) -> None:
    follower = library.lexical()
    publish(library, "a")
    document = library.publish(library.default_collection(), "b", ["b"])
    follower.current()

    library.delete(document)
    with library.database.session_scope() as session:
        session.execute(delete(DeletedChunkRow))

    assert_in_step(library, follower, 2)


def test_rows_restored_from_a_backup_are_followed_anew(library: Library) -> None:
    publish(library, "a")
    library.lexical().current()
    with library.database.session_scope() as session:
        session.execute(update(ManifestRow).values(generation=0))

    assert_in_step(library, library.lexical(), 2)


@pytest.mark.parametrize("damage", ["meta.json", "*.idx", "everything"])
def test_damaged_index_is_built_anew(library: Library, damage: str) -> None:
    publish(library, "a")
    library.lexical().current()
    folder = next((library.root.parent / "lexical").iterdir())
    if damage == "everything":
        shutil.rmtree(folder)
    else:
        next(folder.glob(damage)).write_bytes(b"not an index")

    assert_in_step(library, library.lexical(), 2)


def test_rebuild_ends_where_removing_the_files_does_not_help(library: Library) -> None:
    (library.root.parent / "lexical").write_text("a file where the folder belongs")

    with pytest.raises(LexicalIndexCorruptError, match=r"neither read nor removed.*move .*lexical"):
        library.lexical().rebuild()


def test_difference_is_told_and_mended(library: Library) -> None:
    publish(library, "a")
    follower = library.lexical()
    kept = follower.current().chunk_ids()
    with LexicalIndex(library.root.parent / "lexical").writing() as writer:
        writer.delete([int(kept[0])])
        writer.add([LexicalText(999, "c", None, "", "an orphan")])
        writer.commit(writer.mark)

    checked = library.lexical().check(repair=True)

    found = {(finding.kind, finding.subject) for finding in checked.findings}
    assert found == {("missing_term", str(kept[0])), ("orphan_term", "999")}
    assert_in_step(library, follower, 2)


def test_search_does_not_wait_for_ever_for_another_writer(library: Library) -> None:
    publish(library, "a")
    library.lexical().current()
    publish(library, "b")
    with LexicalIndex(library.root.parent / "lexical").writing():
        view = library.lexical().current(max_wait_s=0.05)

    assert view.num_chunks == 2
    assert_in_step(library, library.lexical(), 4)


def test_follower_keeps_up_by_itself(library: Library) -> None:
    follower = library.lexical()
    follower.start()
    try:
        publish(library, "a")
        reader = LexicalIndex(library.root.parent / "lexical")
        waited = threading.Event()
        while reader.refresh().num_chunks < 2:
            waited.wait(0.01)  # the test's own time limit ends it
    finally:
        follower.stop()


def test_many_threads_find_what_was_committed_and_nothing_deleted(library: Library) -> None:
    collection = library.default_collection()
    retriever = library.retriever()
    library.publish(collection, "kept", ["heron in the marsh"])
    wrong: list[str] = []
    stop = threading.Event()

    def search() -> None:
        while not stop.is_set():
            found = retriever.retrieve("heron", access=EVERYTHING, top_k=3, mode=Mode.LEXICAL)
            if "kept" not in [passage.document_name for passage in found]:
                wrong.append("missing")

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(8):
        document = library.publish(collection, f"doc{number}", [f"heron {number}"])
        found = retriever.retrieve(f"{number}", access=EVERYTHING, top_k=1, mode=Mode.LEXICAL)
        assert [passage.document_id for passage in found] == [document]
        library.delete(document)
        found = retriever.retrieve(f"{number}", access=EVERYTHING, top_k=1, mode=Mode.LEXICAL)
        assert found == []
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
