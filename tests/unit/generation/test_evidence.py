"""Evidence: exact slices, each place once, the best first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.types import Passage
from generation.evidence import Evidence, EvidenceRanker, find_sentences
from tests.fakes import FakeEmbedder
from tests.unit.generation.passages import make_passage, odd_texts

STORED = (
    "The museum opens at nine in the morning. The café on the roof opens at eleven o'clock. "
    "Tickets cost twelve euros for every adult. Children under six years enter without paying."
)


@pytest.fixture
def ranker() -> EvidenceRanker:
    return EvidenceRanker(FakeEmbedder())


@st.composite
def overlapping(draw: st.DrawFn) -> tuple[str, list[Passage]]:
    """A stored text and passages cut out of it anywhere, overlapping as they may."""
    stored = draw(odd_texts())
    cuts = st.tuples(st.integers(0, len(stored)), st.integers(0, len(stored)))
    places = draw(st.lists(cuts.map(sorted), max_size=5))
    return stored, [make_passage(stored[start:end], start=start) for start, end in places]


@given(overlapping())
def test_evidence_is_the_exact_slice_of_the_stored_text(
    drawn: tuple[str, list[Passage]],
) -> None:
    stored, passages = drawn

    for item in find_sentences(passages):
        assert item.text == stored[item.start : item.end] == item.text.strip()
        inside = slice(item.start - item.passage.start, item.end - item.passage.start)
        assert item.text == item.passage.text[inside]


@given(overlapping())
def test_no_place_comes_twice_nor_inside_another(drawn: tuple[str, list[Passage]]) -> None:
    places = [(item.start, item.end) for item in find_sentences(drawn[1])]

    for index, (start, end) in enumerate(places):
        for other_start, other_end in places[:index] + places[index + 1 :]:
            assert not (other_start <= start and end <= other_end)


def test_passages_that_overlap_give_each_sentence_once() -> None:
    half = STORED.index("Tickets")
    passages = [make_passage(STORED), make_passage(STORED[half:], start=half)]

    assert [item.text for item in find_sentences(passages)] == [
        item.text for item in find_sentences([make_passage(STORED)])
    ]


def test_a_sentence_cut_by_a_passage_gives_way_to_the_whole_one() -> None:
    cut_at = STORED.index("for every adult")
    begins = STORED.index("café")
    passages = [make_passage(STORED[:cut_at]), make_passage(STORED[begins:], start=begins)]

    texts = [item.text for item in find_sentences(passages)]

    assert "Tickets cost twelve euros for every adult." in texts
    assert "Tickets cost twelve euros" not in texts
    assert "The café on the roof opens at eleven o'clock." in texts
    assert "café on the roof opens at eleven o'clock." not in texts


def test_the_same_place_in_two_versions_is_two_places() -> None:
    passages = [make_passage(STORED, version="ver_1"), make_passage(STORED, version="ver_2")]

    assert len(find_sentences(passages)) == 8


def test_headings_scraps_and_endless_text_are_no_evidence() -> None:
    passages = [
        make_passage("# Opening hours of the museum and the café\n\nPage 4\n\nThe museum"),
        make_passage("word " * 300 + ".", start=500),
    ]

    assert find_sentences(passages) == []


def test_the_sentence_that_answers_comes_first(ranker: EvidenceRanker) -> None:
    passages = [make_passage(STORED), make_passage("Dogs are not allowed inside.", start=900)]

    ranked = ranker.rank("How much do tickets cost for an adult?", passages)

    assert ranked[0].text == "Tickets cost twelve euros for every adult."
    assert [item.relevance for item in ranked] == sorted(
        (item.relevance for item in ranked), reverse=True
    )
    assert len(ranked) == 5


def test_an_exact_question_is_covered_wholly_and_a_foreign_one_not_at_all(
    ranker: EvidenceRanker,
) -> None:
    passages = [make_passage(STORED)]

    assert ranker.rank("adult tickets cost euros", passages)[0].coverage == 1.0
    assert {item.coverage for item in ranker.rank("Zebras?", passages)} == {0.0}


@given(overlapping(), odd_texts())
def test_coverage_is_a_share_and_similarity_a_cosine(
    drawn: tuple[str, list[Passage]], question: str
) -> None:
    for item in EvidenceRanker(FakeEmbedder()).rank(question, drawn[1]):
        assert 0.0 <= item.coverage <= 1.0
        assert -1.001 <= item.similarity <= 1.001


@pytest.mark.parametrize("question", ["", "the of it", "😀"])
def test_a_question_without_content_covers_nothing(ranker: EvidenceRanker, question: str) -> None:
    assert {item.coverage for item in ranker.rank(question, [make_passage(STORED)])} == {0.0}


def test_without_passages_there_is_no_evidence(ranker: EvidenceRanker) -> None:
    nothing: list[Evidence] = []

    assert ranker.rank("Who?", []) == nothing
    assert ranker.rank("Who?", [make_passage(""), make_passage(" \n ")]) == nothing
