"""Passages side by side: what is joined, and that its text is the stored text's own slice."""

import pytest
from sqlalchemy import select, update

from core.access import Access
from core.ids import DocumentId
from core.tables import ChunkRow, VersionRow, VersionTextRow
from core.types import Passage
from retrieval.types import Refining
from tests.library import Library

EVERYTHING = Access.to_everything()
# four chunks; the first and the last two are found by their words
TEXTS = ["apple one", "nothing two", "apple apple three 🍎", "apple four ñ"]


@pytest.fixture
def document(library: Library) -> DocumentId:
    return library.publish(library.default_collection(), "fruit.txt", TEXTS)


def search(library: Library, *, top_k: int = 3, **options: bool | int) -> list[Passage]:
    """The passages about apples, and only these."""
    refining = Refining(**options)  # type: ignore[arg-type] # by name
    found = library.retriever().retrieve("apple", access=EVERYTHING, top_k=top_k, refining=refining)
    return [each for each in found if "apple" in each.text]


def stored_text(library: Library) -> str:
    with library.database.read_scope() as session:
        return session.scalars(select(VersionTextRow.text)).one()


def set_heading(library: Library, ordinals: set[int], heading: str) -> None:
    with library.database.session_scope() as session:
        session.execute(
            update(ChunkRow).where(ChunkRow.ordinal.in_(ordinals)).values(heading=heading)
        )


@pytest.mark.usefixtures("document")
def test_passages_side_by_side_become_one_and_those_apart_do_not(library: Library) -> None:
    apart = search(library)
    joined = search(library, merge=True)

    assert len(apart) == 3
    assert sorted(each.text for each in joined) == [
        "apple apple three 🍎\napple four ñ",
        "apple one",
    ]


@pytest.mark.usefixtures("document")
def test_a_joined_passage_is_the_stored_slice_with_the_scores_of_its_best(
    library: Library,
) -> None:
    best = search(library)[0]
    joined = search(library, merge=True)[0]

    assert joined.text == stored_text(library)[joined.start : joined.end]
    assert (joined.id, joined.score, joined.scores) == (best.id, best.score, best.scores)


@pytest.mark.usefixtures("document")
def test_neighbours_are_put_around_a_passage_and_what_touches_is_joined(library: Library) -> None:
    (joined,) = search(library, neighbours=1)

    assert joined.text == stored_text(library) == "\n".join(TEXTS)
    assert (joined.start, joined.end) == (0, len(joined.text))


@pytest.mark.usefixtures("document")
def test_another_section_is_never_joined(library: Library) -> None:
    set_heading(library, {3}, "Pears")

    assert len(search(library, merge=True)) == 3
    assert all("four" not in each.text for each in search(library, top_k=2, neighbours=5))


@pytest.mark.usefixtures("document")
def test_a_section_that_goes_on_after_another_is_not_joined_across_it(library: Library) -> None:
    set_heading(library, {0, 2, 3}, "Apples")

    joined = search(library, neighbours=5)

    assert sorted(each.text for each in joined) == [
        "apple apple three 🍎\napple four ñ",
        "apple one",
    ]


def test_chunks_of_two_documents_are_not_joined(library: Library) -> None:
    collection = library.default_collection()
    library.publish(collection, "a.txt", ["apple one"])
    library.publish(collection, "b.txt", ["apple two"])

    assert len(search(library, neighbours=2)) == 2


@pytest.mark.usefixtures("document")
def test_overlapping_chunks_are_told_once(library: Library) -> None:
    start = len("\n".join(TEXTS[:2])) + 1 + len("apple apple ")
    with library.database.session_scope() as session:
        session.execute(
            update(ChunkRow)
            .where(ChunkRow.ordinal == 3)
            .values(start=start, text="three 🍎\napple four ñ")
        )

    joined = search(library, merge=True)

    assert "apple apple three 🍎\napple four ñ" in {each.text for each in joined}


def test_a_passage_joined_across_pages_begins_on_its_first_page(
    library: Library, document: DocumentId
) -> None:
    with library.database.session_scope() as session:
        version = session.scalars(
            select(VersionRow.id).where(VersionRow.document_id == document)
        ).one()
        for row in session.scalars(select(ChunkRow).where(ChunkRow.version_id == version)):
            row.page = row.ordinal + 1

    joined = search(library, merge=True)

    assert {each.page for each in joined} == {1, 3}
