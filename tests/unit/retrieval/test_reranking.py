"""What a reranker changes about a search, and what happens where none is set."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from core.access import Access
from retrieval.fusion import LEXICAL_WEIGHT
from retrieval.reranking import NoReranker, RerankerNotSetError, Reranking
from retrieval.types import Refining
from tests.library import Library
from tests.unit.generation.passages import make_passage

EVERYTHING = Access.to_everything()


class Wanting:
    """Prefers texts that hold a word."""

    is_set = True

    def __init__(self, word: str, *, found_weight: float = 0.0) -> None:
        self.word = word
        self.found_weight = found_weight
        self.texts: list[str] = []

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """How often the word stands in each text."""
        self.texts = list(texts)
        return [float(text.count(self.word)) for text in texts]


def test_reranker_orders_and_both_scores_are_told(library: Library) -> None:
    library.publish(library.default_collection(), "a.txt", ["river", "river stone stone"])
    retriever = library.retriever(reranking=Reranking(Wanting("stone")))

    first, second = retriever.retrieve("river", access=EVERYTHING, top_k=2)

    assert (first.text, first.score) == ("river stone stone", 2.0)
    assert first.scores["rerank"] == 2.0
    assert first.scores["dense"] < second.scores["dense"]


def test_the_score_a_passage_was_found_with_counts_as_far_as_the_reranker_says(
    library: Library,
) -> None:
    library.publish(library.default_collection(), "a.txt", ["river", "river stone"])

    first, second = library.retriever(
        reranking=Reranking(Wanting("stone", found_weight=100.0))
    ).retrieve("river", access=EVERYTHING, top_k=2)

    found = first.scores["dense"] + LEXICAL_WEIGHT * first.scores["lexical"]
    assert (first.text, first.scores["rerank"]) == ("river", 0.0)
    assert first.score == pytest.approx(100 * found)
    assert second.score < first.score


def test_reranker_reads_deeper_than_what_is_returned(library: Library) -> None:
    texts = [f"river {'stone ' * number}{number}" for number in range(8)]
    library.publish(library.default_collection(), "a.txt", texts)
    reranker = Wanting("stone")
    retriever = library.retriever(reranking=Reranking(reranker, depth=5))

    (first,) = retriever.retrieve("river", access=EVERYTHING, top_k=1)

    assert len(reranker.texts) == 5
    assert first.text.count("stone") == 4


def test_a_diverse_search_has_all_read_that_it_picks_from(library: Library) -> None:
    texts = [f"river {'stone ' * number}{number}" for number in range(10)]
    library.publish(library.default_collection(), "a.txt", texts)
    reranker = Wanting("stone")
    retriever = library.retriever(reranking=Reranking(reranker, depth=3))

    retriever.retrieve("river", access=EVERYTHING, top_k=2, refining=Refining(diversity=0.5))

    assert len(reranker.texts) == 8


def test_reranker_reads_a_passage_under_its_document(library: Library) -> None:
    library.publish(library.default_collection(), "bridge.txt", ["it opened in 1932"])
    reranker = Wanting("opened")

    library.retriever(reranking=Reranking(reranker)).retrieve("q", access=EVERYTHING, top_k=1)

    assert reranker.texts == ["bridge.txt\nit opened in 1932"]


def test_reranker_reads_rows_below_the_header_of_their_table() -> None:
    header = "| port | use |\n| --- | --- |"
    rows = make_passage("| 8420 | server |", name="net.md", heading="Setup > Ports")
    reranker = Wanting("port")

    Reranking(reranker).apply("which port?", [replace(rows, table_header=header)])

    assert reranker.texts == [f"net.md > Setup > Ports\n{header}\n| 8420 | server |"]


def test_what_scores_alike_stays_in_its_order(library: Library) -> None:
    library.publish(library.default_collection(), "a.txt", ["river", "river stone", "a river bed"])
    plain = library.retriever().retrieve("river", access=EVERYTHING, top_k=3)

    retriever = library.retriever(reranking=Reranking(Wanting("nothing")))
    reranked = retriever.retrieve("river", access=EVERYTHING, top_k=3)

    assert [passage.id for passage in reranked] == [passage.id for passage in plain]


def test_one_search_can_leave_the_reranker_out(library: Library) -> None:
    library.publish(library.default_collection(), "a.txt", ["river", "river stone stone"])
    retriever = library.retriever(reranking=Reranking(Wanting("stone")))

    found = retriever.retrieve("river", access=EVERYTHING, top_k=2, refining=Refining(rerank=False))

    assert found[0].text == "river"
    assert "rerank" not in found[0].scores


def test_reranking_without_a_reranker_is_refused_even_where_nothing_is_found(
    library: Library,
) -> None:
    with pytest.raises(RerankerNotSetError, match="CIMIENTO_RETRIEVAL__RERANKER"):
        library.retriever(reranking=Reranking(NoReranker())).retrieve(
            "anything", access=EVERYTHING, top_k=1, refining=Refining(rerank=True)
        )
