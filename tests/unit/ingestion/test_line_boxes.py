"""Where lines stand, kept from one search to the next, and forgotten with what is deleted."""

import pytest
from sqlalchemy import event

from core.access import Access
from core.ids import CollectionId, VersionId
from ingestion import line_boxes
from ingestion.line_boxes import LineBoxes
from tests.unit.ingestion import files
from tests.unit.ingestion.house import EVERYTHING, House

NOBODY = Access(frozenset())


def pdf(*lines: str) -> bytes:
    return files.build_pdf([list(lines)])


class Reads:
    """Counts the times that lines are read from the database."""

    def __init__(self, house: House) -> None:
        self.number = 0
        event.listen(house.store.database.engine, "before_cursor_execute", self._count)

    def _count(self, *arguments: object) -> None:
        self.number += "line_boxes" in str(arguments[2])


def test_lines_are_read_once(house: House) -> None:
    version = house.add("a.pdf", pdf("The river rises here", "second line")).version_id
    kept, reads = LineBoxes(house.store.database), Reads(house)
    first, again = (kept.find([version], EVERYTHING)[version] for _ in range(2))
    assert first.shape == (2, 7)
    assert again is first
    assert reads.number == 1


def test_a_document_without_geometry_is_read_once_too(house: House) -> None:
    version = house.add("a.txt", b"words").version_id
    kept, reads = LineBoxes(house.store.database), Reads(house)
    for _ in range(2):
        assert kept.find([version], EVERYTHING)[version].shape == (0, 7)
    assert reads.number == 1


def test_what_one_caller_has_read_no_other_is_shown(house: House) -> None:
    accepted = house.add("a.pdf", pdf("The river rises here"))
    version = accepted.version_id
    kept = LineBoxes(house.store.database)
    collection_id = house.documents.get(accepted.document_id, EVERYTHING).collection_id
    assert version in kept.find([version], Access(frozenset({collection_id})))
    assert kept.find([version], NOBODY) == {}
    assert kept.find([version], Access(frozenset({CollectionId("another")}))) == {}
    # nor the other way round: who may not see it has not taken it from who may
    fresh = LineBoxes(house.store.database)
    assert fresh.find([version], NOBODY) == {}
    assert version in fresh.find([version], EVERYTHING)


def test_what_is_deleted_is_forgotten(house: House) -> None:
    gone = house.add("a.pdf", pdf("The river rises here"))
    stays = house.add("b.pdf", pdf("It ends there")).version_id
    kept = LineBoxes(house.store.database)
    assert len(kept.find([gone.version_id, stays], EVERYTHING)) == 2
    house.documents.delete(gone.document_id, EVERYTHING)
    assert kept.find([gone.version_id, stays], EVERYTHING).keys() == {stays}


def test_what_is_not_there_has_no_lines(house: House) -> None:
    assert LineBoxes(house.store.database).find([VersionId("nowhere")], EVERYTHING) == {}


def test_only_so_many_lines_are_kept(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_boxes, "_MAX_LINES", 3)
    versions = [
        house.add(f"{name}.pdf", pdf(f"{name} first", f"{name} second")).version_id
        for name in ("one", "two")
    ]
    kept, reads = LineBoxes(house.store.database), Reads(house)
    for version in (*versions, versions[1], versions[0]):
        assert kept.find([version], EVERYTHING)[version].shape == (2, 7)
    assert reads.number == 3
