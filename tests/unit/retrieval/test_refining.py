"""Whatever options a search has, and however they meet: what holds of every passage."""

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from core.access import Access
from core.tables import VersionTextRow
from retrieval.reranking import Reranking
from retrieval.types import Mode, Refining
from tests.library import Library
from tests.unit.retrieval.test_reranking import Wanting

refinings = st.builds(
    Refining,
    rerank=st.sampled_from([None, True, False]),
    keep_duplicates=st.booleans(),
    diversity=st.sampled_from([0.0, 0.3, 1.0]),
    merge=st.booleans(),
    neighbours=st.integers(0, 3),
    split=st.booleans(),
)


def test_no_option_returns_too_much_or_what_is_deleted_or_foreign_or_not_in_the_text(
    library: Library,
) -> None:
    mine, theirs = library.default_collection(), library.add_collection("theirs")
    pool = ["the pool opens", "a dog swims", "the pool closes", "towels 🏊 are lent", "the pool"]
    library.publish(theirs, "theirs.txt", pool)
    deleted = library.publish(mine, "deleted.txt", pool)
    library.publish(mine, "one.txt", pool)
    library.publish(mine, "two.txt", [*reversed(pool), "a pool of cars"])
    library.delete(deleted, tombstones=False)
    retriever = library.retriever(reranking=Reranking(Wanting("pool"), depth=4))
    with library.database.read_scope() as session:
        texts = {row.version_id: row.text for row in session.scalars(select(VersionTextRow))}

    @settings(max_examples=40)
    @given(refining=refinings, top_k=st.integers(1, 12), mode=st.sampled_from(Mode))
    def check(refining: Refining, top_k: int, mode: Mode) -> None:
        found = retriever.retrieve(
            "When does the pool open and where do dogs swim?",
            access=Access(frozenset({mine})),
            top_k=top_k,
            mode=mode,
            refining=refining,
        )
        assert 1 <= len(found) <= top_k
        assert {each.document_name for each in found} <= {"one.txt", "two.txt"}
        assert len({each.id for each in found}) == len(found)
        for each in found:
            assert each.text == texts[each.version_id][each.start : each.end]

    check()
