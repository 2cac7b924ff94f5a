"""Which documents a filter leaves, what it refuses, and that it never widens access."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

from core.access import Access
from core.tables import DocumentRow, VersionRow
from retrieval.filters import BadFilterError, compile_filter
from retrieval.types import Mode
from tests.library import Library

EVERYTHING = Access.to_everything()
_DIALECTS = (SQLiteDialect(), PGDialect())  # type: ignore[no-untyped-call] # they have no types


def condition(field: str, **test: object) -> dict[str, object]:
    """One condition; `in_` stands for the operator that is a word of Python."""
    ((op, value),) = test.items()
    return {"field": field, "op": op.rstrip("_"), "value": value}


def describe(library: Library, name: str, **values: object) -> None:
    """Change what is known of a document."""
    with library.database.session_scope() as session:
        of_name = select(DocumentRow.id).where(DocumentRow.name == name)
        session.execute(
            update(VersionRow).where(VersionRow.document_id.in_(of_name)).values(**values)
        )


@pytest.fixture
def shelf(library: Library) -> Library:
    """Three documents that all speak of the pool."""
    collection = library.default_collection()
    for name, language in (("a", "en"), ("b", "es"), ("c", None)):
        library.publish(collection, name, [f"the pool {name}"], language=language)
    describe(
        library,
        "a",
        user_metadata={"year": 2020, "team": "Sales", "tags": ["draft", "old"], "open": True},
        created_at=datetime(2026, 1, 10, tzinfo=UTC),
    )
    describe(
        library,
        "b",
        user_metadata={"year": 2024.5, "team": "Legal", "tags": ["new"], "open": False},
        created_at=datetime(2026, 2, 10, tzinfo=UTC),
        media_type="application/pdf",
    )
    describe(
        library,
        "c",
        user_metadata={"year": "2023", "a.b c": "x"},
        created_at=datetime(2026, 3, 10, tzinfo=UTC),
    )
    return library


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (condition("language", eq="es"), "b"),
        (condition("language", in_=["es", "en"]), "ab"),
        ({"not": condition("language", eq="es")}, "ac"),
        (condition("collection", eq="default"), "abc"),
        (condition("collection", eq="other"), ""),
        (condition("name", in_=["a", "c", "z"]), "ac"),
        (condition("media_type", eq="application/pdf"), "b"),
        (condition("version", gte=1), "abc"),
        (condition("version", gt=1), ""),
        (condition("uploaded", gte="2026-02-10"), "bc"),
        (condition("uploaded", lt="2026-02-10T00:00:00+01:00"), "a"),
        (condition("tags", eq="draft"), "a"),
        (condition("tags", in_=["new", "old"]), "ab"),
        ({"not": condition("tags", eq="draft")}, "bc"),
        (condition("metadata.year", gt=2020), "b"),
        (condition("metadata.year", lte=2024.5), "ab"),
        (condition("metadata.year", eq="2023"), "c"),
        (condition("metadata.year", eq=2023), ""),
        (condition("metadata.year", gte="2000"), "c"),
        (condition("metadata.team", in_=["Legal", "Sales", 7]), "ab"),
        (condition("metadata.open", eq=True), "a"),
        (condition("metadata.open", in_=[True, False]), "ab"),
        (condition("metadata.a.b c", eq="x"), "c"),
        (condition("metadata.none", eq="x"), ""),
        ({"and": [condition("language", eq="en"), condition("tags", eq="new")]}, ""),
        ({"or": [condition("language", eq="en"), condition("tags", eq="new")]}, "ab"),
    ],
)
@pytest.mark.parametrize("mode", list(Mode))
def test_filter_leaves_the_documents_it_describes(
    shelf: Library, where: object, expected: str, mode: Mode
) -> None:
    found = shelf.retriever().retrieve("pool", access=EVERYTHING, top_k=5, mode=mode, where=where)

    assert "".join(sorted(passage.document_name for passage in found)) == expected


@pytest.mark.parametrize("mode", list(Mode))
def test_filter_leaves_single_passages_of_a_document(library: Library, mode: Mode) -> None:
    texts = ["the pool opens", "the pool closes", "the pool is warm"]
    library.publish(library.default_collection(), "a", texts)
    retriever = library.retriever()
    every = retriever.retrieve("pool", access=EVERYTHING, top_k=5, mode=mode)
    wanted = sorted(str(passage.id) for passage in every)[:2]

    where = condition("passage", in_=[*wanted, "999999"])
    found = retriever.retrieve("pool", access=EVERYTHING, top_k=5, mode=mode, where=where)

    assert len(every) == 3
    assert sorted(str(passage.id) for passage in found) == wanted


@pytest.mark.parametrize(
    ("where", "place"),
    [
        ([], "filter"),
        ({}, "filter"),
        ({"and": []}, "filter.and"),
        ({"and": [condition("language", eq="es"), {"nor": []}]}, "filter.and.1"),
        ({"not": condition("colour", eq="red")}, "filter.not.field"),
        (condition("language", like="e%"), "filter.op"),
        (condition("language", gt="es"), "filter.op"),
        (condition("language", eq=7), "filter.value"),
        (condition("language", in_="es"), "filter.value"),
        (condition("language", in_=[]), "filter.value"),
        (condition("passage", eq=1), "filter.value"),
        (condition("passage", eq="-1"), "filter.value"),
        (condition("passage", eq="1" * 40), "filter.value"),
        (condition("passage", gt="1"), "filter.op"),
        (condition("version", eq="1"), "filter.value"),
        (condition("version", eq=True), "filter.value"),
        (condition("uploaded", gt="yesterday"), "filter.value"),
        (condition("metadata.open", gt=True), "filter.op"),
        (condition("metadata.", eq="x"), "filter.field"),
        (condition('metadata.a"b', eq="x"), "filter.field"),
        (condition("metadata.year", eq=None), "filter.value"),
        (condition("metadata.year", eq=10**400), "filter.value"),
        ({**condition("language", eq="es"), "more": 1}, "filter"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(where: object, place: str) -> None:
    with pytest.raises(BadFilterError) as raised:
        compile_filter(where)

    assert raised.value.place == place


def test_filters_cannot_be_made_to_cost() -> None:
    deep: object = condition("language", eq="es")
    for _ in range(9):
        deep = {"not": deep}
    wide = {"or": [condition("language", eq="es")] * 65}

    for where in (deep, wide, condition("name", in_=["x"] * 201)):
        with pytest.raises(BadFilterError):
            compile_filter(where)


def test_filter_never_widens_access(library: Library) -> None:
    mine, theirs = library.default_collection(), library.add_collection("theirs")
    library.publish(theirs, "theirs", ["the pool"])
    library.publish(mine, "mine", ["the pool"])
    everywhere = {"or": [condition("collection", eq="theirs"), condition("version", gte=0)]}

    found = library.retriever().retrieve(
        "pool", access=Access(frozenset({mine})), top_k=5, where=everywhere
    )

    assert [passage.document_name for passage in found] == ["mine"]


def test_filtered_search_sees_what_was_published_since(library: Library) -> None:
    retriever, where = library.retriever(), condition("version", eq=1)
    for number in range(1, 3):
        library.publish(library.default_collection(), f"{number}", [f"the pool {number}"])
        assert len(retriever.retrieve("pool", access=EVERYTHING, top_k=5, where=where)) == number


leaves = st.builds(
    lambda field, op, value: {"field": field, "op": op, "value": value},
    st.one_of(
        st.sampled_from(["language", "version", "uploaded", "tags", "metadata.x", "nonsense"]),
        st.text().map("metadata.".__add__),
    ),
    st.sampled_from(["eq", "in", "gt", "gte", "lt", "lte", "like"]),
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just(["a", 1])),
)
filters = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda parts: {"and": parts}, st.lists(inner, max_size=3)),
        st.builds(lambda part: {"not": part}, inner),
    ),
)


@given(filters)
def test_every_filter_is_refused_or_has_its_values_bound(where: object) -> None:
    try:
        compiled = compile_filter(where)
    except BadFilterError:
        return
    for dialect in _DIALECTS:
        statement = str(select(VersionRow.id).where(compiled).compile(dialect=dialect))
        assert "like" not in statement.lower()
