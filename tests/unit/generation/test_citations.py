"""Citations: every quote is the stored text, numbered as it is first used, or there is none."""

from hypothesis import given
from hypothesis import strategies as st

from core.types import Passage
from generation.citations import MIN_SUPPORT, CheckedText, check_text
from generation.evidence import Evidence, find_sentences
from generation.quoting import as_read
from tests.unit.generation.passages import make_passage, odd_texts

STORED = (
    "The museum opens at nine in the morning. Tickets cost twelve euros for every adult. "
    "The bus takes 15 km to the harbour."
)
OPENS, COSTS, BUS = find_sentences([make_passage(STORED, start=100, page=7)])


def _numbers(checked: CheckedText) -> list[tuple[int, ...]]:
    return [sentence.citations for sentence in checked.sentences]


@st.composite
def sources(draw: st.DrawFn) -> tuple[str, list[Passage], str]:
    """A stored text, passages of it, and an answer that mixes its sentences with others."""
    stored = draw(odd_texts())
    start = draw(st.integers(0, len(stored)))
    passages = [make_passage(stored[start:], start=start), make_passage(stored)]
    said = [item.text for item in find_sentences(passages)]
    parts = st.one_of(st.sampled_from([*said, STORED]), odd_texts(max_parts=2))
    return stored, passages, " ".join(draw(st.lists(parts, max_size=4)))


@given(sources())
def test_every_quote_is_the_stored_text_at_its_place(
    drawn: tuple[str, list[Passage], str],
) -> None:
    stored, passages, text = drawn

    for citation in check_text(text, find_sentences(passages)).citations:
        inside = slice(
            citation.start - citation.passage.start, citation.end - citation.passage.start
        )
        assert citation.quote == stored[citation.start : citation.end]
        assert citation.quote == citation.passage.text[inside]
        assert MIN_SUPPORT <= citation.support <= 1.0


@given(sources())
def test_citations_are_numbered_in_the_order_of_their_first_use(
    drawn: tuple[str, list[Passage], str],
) -> None:
    _stored, passages, text = drawn

    checked = check_text(text, find_sentences(passages))

    used = [number for sentence in checked.sentences for number in sentence.citations]
    assert list(dict.fromkeys(used)) == list(range(1, len(checked.citations) + 1))
    assert [citation.n for citation in checked.citations] == sorted(set(used))
    places = {(citation.start, citation.end) for citation in checked.citations}
    assert len(places) == len(checked.citations)


@given(sources())
def test_a_sentence_has_support_exactly_when_it_has_a_citation(
    drawn: tuple[str, list[Passage], str],
) -> None:
    _stored, passages, text = drawn

    for sentence in check_text(text, find_sentences(passages)).sentences:
        assert text[sentence.start : sentence.end].strip()
        assert bool(sentence.citations) == (sentence.support >= MIN_SUPPORT)
        assert sentence.citations or sentence.support == 0.0


def test_a_quote_is_supported_wholly_with_its_page() -> None:
    checked = check_text(COSTS.text, [OPENS, COSTS])

    (citation,) = checked.citations
    assert (citation.n, citation.page, citation.support) == (1, 7, 1.0)
    assert (citation.start, citation.end) == (COSTS.start, COSTS.end)
    assert citation.quote == STORED[citation.start - 100 : citation.end - 100]


def test_a_place_that_is_cited_again_keeps_its_number() -> None:
    text = f"{COSTS.text} {OPENS.text} Tickets cost twelve euros."

    checked = check_text(text, [OPENS, COSTS, BUS])

    assert _numbers(checked) == [(1,), (2,), (1,)]
    assert [citation.quote for citation in checked.citations] == [COSTS.text, OPENS.text]


def test_a_citation_keeps_the_support_of_the_best_sentence_that_cites_it() -> None:
    weak = "Tickets cost twelve euros for every single grown adult."

    alone = check_text(weak, [COSTS]).citations[0].support

    assert MIN_SUPPORT <= alone < 1.0
    assert check_text(f"{weak} {COSTS.text}", [COSTS]).citations[0].support == 1.0
    assert check_text(f"{COSTS.text} {weak}", [COSTS]).citations[0].support == 1.0


def test_what_the_documents_do_not_say_is_marked_and_cites_nothing() -> None:
    checked = check_text(f"{OPENS.text} Dogs bark loudly at night.", [OPENS, COSTS])

    assert _numbers(checked) == [(1,), ()]
    assert [sentence.support for sentence in checked.sentences] == [1.0, 0.0]
    assert checked.num_supported == 1


def test_a_piece_of_another_number_or_word_is_not_support() -> None:
    for scrap in ("5 km", "he mus", "It", "the", "."):
        assert check_text(scrap, [OPENS, COSTS, BUS]).num_supported == 0


def test_of_equal_spans_the_first_is_cited() -> None:
    again = find_sentences([make_passage(STORED, version="ver_2")])[1]

    first, second = (check_text(COSTS.text, spans) for spans in ([COSTS, again], [again, COSTS]))

    assert first.citations[0].passage.version_id == "ver_1"
    assert second.citations[0].passage.version_id == "ver_2"


def test_a_quote_that_lines_break_is_one_sentence() -> None:
    stored = "This is the beginning. The\nAmazon river runs through us."
    span = find_sentences([make_passage(stored)])[-1]
    assert span.text.startswith("The\nAmazon")

    read = as_read(span.text)
    checked = check_text(read, [span])

    assert [(item.start, item.end) for item in checked.sentences] == [(0, len(read))]
    assert checked.citations[0].quote == span.text
    assert checked.num_supported == 1


def test_a_quote_of_function_words_is_supported_by_its_own_place_only() -> None:
    stored = "To be or not to be."
    span = Evidence(make_passage(stored), 0, len(stored), stored)

    assert check_text(stored, [span]).citations[0].support == 1.0
    assert check_text("To be or not.", [span]).citations == ()


def test_nothing_is_cited_without_text_or_without_spans() -> None:
    assert check_text("", [OPENS]) == CheckedText("", (), ())
    assert check_text(OPENS.text, []).num_supported == 0
