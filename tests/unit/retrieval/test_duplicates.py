"""What counts as saying nothing new, and what a search does about it."""

import pytest

from core.access import Access
from retrieval.duplicates import drop_duplicates
from retrieval.types import Refining
from tests.library import Library
from tests.unit.generation.passages import make_passage

EVERYTHING = Access.to_everything()
# forty words, most of them different
LONG = " ".join(f"word{number}" for number in range(40))


def kept(*texts: str) -> list[str]:
    """The texts that are left."""
    passages = [make_passage(text, version=f"ver_{number}") for number, text in enumerate(texts)]
    return [each.text for each in drop_duplicates(passages)]


@pytest.mark.parametrize(
    "copy",
    [
        "The  pool opens\nat nine.",
        "the POOL opens at nine",
        "The pool — opens at nine!",
        "Thé pool opens at níne.",
    ],
)
def test_the_same_words_are_a_duplicate_however_they_are_set(copy: str) -> None:
    assert kept("The pool opens at nine.", copy) == ["The pool opens at nine."]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (f"{LONG} costs 20", f"{LONG} costs 25"),
        (f"dogs are allowed {LONG}", f"dogs are not allowed {LONG}"),
        (f"the office of Madrid {LONG}", f"the office of Toledo {LONG}"),
        ("opens at nine", "at nine opens"),
        ("no", "No, never"),
        ("!!!", "???"),
        ("", "text"),
    ],
)
def test_a_word_of_its_own_keeps_a_text(first: str, second: str) -> None:
    assert kept(first, second) == [first, second]
    assert kept(second, first) == [second, first]


def test_what_lies_inside_an_earlier_text_is_a_duplicate_and_what_says_more_is_not() -> None:
    part = " ".join(LONG.split()[:30])

    assert kept(LONG, part) == [LONG]
    assert kept(part, LONG) == [part, LONG]


def test_the_same_words_in_another_order_are_kept() -> None:
    shuffled = " ".join(reversed(LONG.split()))

    assert kept(LONG, shuffled) == [LONG, shuffled]


def test_others_take_the_places_of_duplicates(library: Library) -> None:
    collection = library.default_collection()
    for number in range(20):
        library.publish(collection, f"copy{number}", ["exactly the question"])
    library.publish(collection, "other.txt", ["something about the question", "and more"])

    found = library.retriever().retrieve("exactly the question", access=EVERYTHING, top_k=3)

    assert [each.text for each in found] == [
        "exactly the question",
        "something about the question",
        "and more",
    ]


def test_every_copy_is_returned_where_it_is_asked_for(library: Library) -> None:
    collection = library.default_collection()
    for number in range(3):
        library.publish(collection, f"copy{number}", ["exactly the question"])

    found = library.retriever().retrieve(
        "question", access=EVERYTHING, top_k=5, refining=Refining(keep_duplicates=True)
    )

    assert len(found) == 3


@pytest.mark.parametrize("tombstones", [True, False])
def test_a_deleted_copy_does_not_stand_in_the_way_of_a_live_one(
    library: Library, *, tombstones: bool
) -> None:
    collection = library.default_collection()
    retriever = library.retriever()
    first = library.publish(collection, "first.txt", ["the pool opens"])
    library.publish(collection, "second.txt", ["the pool opens"])
    assert retriever.retrieve("pool", access=EVERYTHING, top_k=5)[0].document_id == first

    library.delete(first, tombstones=tombstones)

    found = retriever.retrieve("pool", access=EVERYTHING, top_k=5)
    assert [each.document_name for each in found] == ["second.txt"]


def test_a_foreign_copy_does_not_stand_in_the_way_of_ones_own(library: Library) -> None:
    mine, theirs = library.default_collection(), library.add_collection("theirs")
    library.publish(theirs, "theirs.txt", ["the pool opens"])
    library.publish(mine, "mine.txt", ["the pool opens"])

    found = library.retriever().retrieve("pool", access=Access(frozenset({mine})), top_k=5)

    assert [each.document_name for each in found] == ["mine.txt"]
