"""Collections are named once, seen only with access, and take their documents with them."""

import pytest

from core.access import Access
from core.errors import CollectionNotFoundError, DocumentNotFoundError
from ingestion.errors import (
    BadCollectionNameError,
    BadLanguageError,
    CollectionExistsError,
    DefaultCollectionError,
)
from tests.unit.ingestion.house import EVERYTHING, NO_ORPHANS, House


def test_default_is_there_and_stays(house: House) -> None:
    assert house.collections.get("default", EVERYTHING).num_documents == 0
    with pytest.raises(DefaultCollectionError):
        house.collections.delete("default", EVERYTHING)


def test_a_collection_is_made_changed_and_listed(house: House) -> None:
    house.collections.create("leyes-2026", description="Leyes", language="es")
    house.collections.update("leyes-2026", EVERYTHING, description="Normas", language=None)
    found = house.collections.get("leyes-2026", EVERYTHING)
    assert (found.description, found.language) == ("Normas", "es")
    assert [c.name for c in house.collections.list(EVERYTHING)] == ["default", "leyes-2026"]


@pytest.mark.parametrize("name", ["", "A", "-a", "a b", "ñ", "a" * 64, "a/b", "a\n"])
def test_bad_names_are_refused(house: House, name: str) -> None:
    with pytest.raises(BadCollectionNameError):
        house.collections.create(name)


def test_a_name_is_taken_once_and_a_language_is_a_code(house: House) -> None:
    house.collections.create("a")
    with pytest.raises(CollectionExistsError):
        house.collections.create("a")
    with pytest.raises(BadLanguageError):
        house.collections.create("b", language="español")


def test_without_access_a_collection_is_not_there(house: House) -> None:
    mine = house.collections.create("mine")
    house.collections.create("theirs")
    access = Access(frozenset({mine.id}))
    assert [c.name for c in house.collections.list(access)] == ["mine"]
    for name in ("theirs", "nowhere"):
        with pytest.raises(CollectionNotFoundError):
            house.collections.get(name, access)
        with pytest.raises(CollectionNotFoundError):
            house.collections.delete(name, access)


def test_a_deleted_collection_takes_its_documents_with_it(house: House) -> None:
    kept = house.add("kept.txt", b"kept words")
    gone = house.collections.create("gone")
    accepted = house.upload("gone.txt", b"gone words", collection_id=gone.id)
    house.ingest(accepted)
    queued = house.upload("queued.txt", b"queued words", collection_id=gone.id)
    purged = house.collections.delete("gone", EVERYTHING)
    assert (purged.versions, purged.chunks, purged.vectors, purged.blobs) == (2, 1, 1, 2)
    assert house.searchable_text() == "kept words"
    for document in (accepted, queued):
        with pytest.raises(DocumentNotFoundError):
            house.documents.get(document.document_id, EVERYTHING)
    assert house.documents.get(kept.document_id, EVERYTHING).version.state == "searchable"
    assert house.orphans() == NO_ORPHANS
