"""Deletion is complete at its commit: nothing finds it, and no byte of it is left on the disk."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import select

from core.blobs import hash_file
from core.errors import DocumentNotFoundError
from core.tables import ChunkRow
from core.verify import Premises, verify
from ingestion.attempts import NoLongerWantedError
from ingestion.pipeline import run_attempt
from ingestion.uploads import Accepted, OnConflict
from tests.unit.ingestion.house import EVERYTHING, NO_ORPHANS, House, attempt_of
from tests.unit.ingestion.test_versions import retriever_of

MARKER = "zebrawood"
SECRET = f"The word is {MARKER}. " * 40


def files_that_say(folder: Path, word: str) -> list[str]:
    """Every file below the folder in which the word stands, log and index files among them."""
    return [
        path.name
        for path in sorted(folder.rglob("*"))
        if path.is_file() and word.encode() in path.read_bytes()
    ]


def delete(house: House, accepted: Accepted) -> None:
    """Delete it, unless that was done before."""
    with suppress(DocumentNotFoundError):
        house.documents.delete(accepted.document_id, EVERYTHING)


def assert_gone(house: House) -> None:
    """Nothing is searchable, nothing is left, and verification agrees."""
    found = retriever_of(house).retrieve(MARKER, access=EVERYTHING, top_k=8)
    assert [passage.text for passage in found if MARKER in passage.text] == []
    assert files_that_say(house.data_dir, MARKER) == []
    assert house.orphans() == NO_ORPHANS
    premises = Premises(house.database, house.store.blobs, house.store.segments, alone=True)
    assert verify(premises, repair=False).findings == ()


def test_no_byte_of_a_deleted_document_is_left_while_the_service_runs(house: House) -> None:
    kept = house.add("kept.txt", b"The river rises in the hills.")
    accepted = house.add("secret.txt", SECRET.encode())
    assert files_that_say(house.data_dir, MARKER) != []
    house.documents.delete(accepted.document_id, EVERYTHING)
    assert_gone(house)
    assert hash_file(house.blobs.path(kept.sha256)) == kept.sha256


def test_no_byte_of_a_replaced_version_is_left(house: House) -> None:
    house.add("secret.txt", SECRET.encode())
    house.add("secret.txt", b"The river rises in the hills.")
    assert_gone(house)


def test_no_byte_of_deleted_history_is_left(house: House) -> None:
    first = house.add("secret.txt", SECRET.encode())
    house.add("secret.txt", b"The river rises.", on_conflict=OnConflict.VERSION)
    house.documents.delete_version(first.document_id, 1, EVERYTHING)
    assert_gone(house)


@pytest.mark.sqlite
def test_a_reader_does_not_hold_up_a_deletion_and_its_text_goes_when_it_ends(
    house: House,
) -> None:
    accepted = house.add("secret.txt", SECRET.encode())
    with house.database.read_scope() as session:
        assert session.scalars(select(ChunkRow.text)).first()
        house.documents.delete(accepted.document_id, EVERYTHING)
        assert not house.database.overwrite_deleted()
    assert house.database.overwrite_deleted()
    assert_gone(house)


def test_no_byte_of_a_deleted_collection_is_left(house: House) -> None:
    collection = house.collections.create("secrets")
    accepted = house.upload("secret.txt", SECRET.encode(), collection_id=collection.id)
    house.ingest(accepted)
    house.collections.delete("secrets", EVERYTHING)
    assert_gone(house)


def test_bytes_that_two_documents_share_go_with_the_last(house: House) -> None:
    first = house.add("one.txt", SECRET.encode())
    second = house.add("two.txt", SECRET.encode())
    assert house.documents.delete(first.document_id, EVERYTHING).blobs == 0
    found = retriever_of(house).retrieve(MARKER, access=EVERYTHING, top_k=8)
    assert {passage.document_name for passage in found} == {"two.txt"}
    assert house.documents.delete(second.document_id, EVERYTHING).blobs == 1
    assert_gone(house)


@pytest.mark.parametrize("step", ["parse", "chunk", "embed", "publish"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_document_deleted_at_a_step_leaves_nothing(house: House, step: str, moment: str) -> None:
    accepted = house.upload("secret.txt", SECRET.encode())

    def run_step(name: str, do: Callable[[], None]) -> None:
        if (name, moment) == (step, "before"):
            delete(house, accepted)
        do()
        if (name, moment) == (step, "after"):
            delete(house, accepted)

    run_attempt(attempt_of(accepted), house.stages(), house.workers().join(), run_step)
    assert_gone(house)


def test_a_document_deleted_inside_the_embedding_leaves_nothing(house: House) -> None:
    accepted = house.upload("secret.txt", SECRET.encode())
    house.embedder.before = lambda: delete(house, accepted)
    run_attempt(attempt_of(accepted), house.stages(), house.workers().join())
    assert_gone(house)


def test_a_document_deleted_while_its_segment_is_written_leaves_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted = house.upload("secret.txt", SECRET.encode())
    stages = house.stages()
    for step in (stages.parse, stages.chunk, stages.embed):
        step(attempt_of(accepted))
    rename = Path.rename

    def delete_then_rename(path: Path, target: Path) -> Path:
        if path.name.endswith(".writing"):
            delete(house, accepted)
        return rename(path, target)

    # the last moment before the transaction that publishes
    monkeypatch.setattr(Path, "rename", delete_then_rename)
    with pytest.raises(NoLongerWantedError):
        stages.publish(attempt_of(accepted))
    stages.clean(attempt_of(accepted))
    assert_gone(house)
