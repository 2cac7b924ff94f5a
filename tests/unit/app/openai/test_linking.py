"""Links to sources in a text: where they stand, where they lead, and that there are no others."""

from hypothesis import given
from hypothesis import strategies as st

from app.api.answer_schemas import AnswerOut, CitationOut, SentenceOut
from app.openai.linking import link_citations, unlink

BASE_URL = "https://docs.example"
MARKUP = st.text(alphabet="ab \\[]()<>!/documents?version=1\n", max_size=40)


def answer_of(*sentences: tuple[str, list[int]], page: int | None = None) -> AnswerOut:
    """An answer of these sentences, each with the numbers of its citations."""
    placed, text = [], ""
    for words, numbers in sentences:
        start, text = len(text), text + words
        placed.append(SentenceOut(start=start, end=len(text), support=1.0, citations=numbers))
    citations = [
        CitationOut(
            n=number,
            document_id=f"doc_{number}",
            document_name=f"{number}.pdf",
            version=2,
            page=page,
            start=0,
            end=1,
            quote="a",
            boxes=[],
            support=1.0,
        )
        for number in sorted({each for _, numbers in sentences for each in numbers})
    ]
    return AnswerOut.model_construct(answer=text, sentences=placed, citations=citations)


def test_a_sentence_is_followed_by_links_to_what_it_rests_on() -> None:
    linked = link_citations(answer_of(("It opens.", [1, 2]), (" It closes.", [])), BASE_URL)
    assert linked.text == (
        "It opens. [1](https://docs.example/documents/doc_1?version=2)"
        " [2](https://docs.example/documents/doc_2?version=2) It closes."
    )


def test_a_link_leads_to_the_page() -> None:
    (link,) = link_citations(answer_of(("It opens.", [1]), page=7), BASE_URL).links
    assert link.url == "https://docs.example/documents/doc_1?version=2#page=7"
    assert link.title == "1.pdf"


def test_annotations_say_where_the_links_stand() -> None:
    linked = link_citations(answer_of(("It [opens].", [1]), (" Then.", [2, 1])), BASE_URL)
    assert [linked.text[link.start : link.end] for link in linked.links] == [
        f"[{link.url.partition('?')[0][-1]}]({link.url})" for link in linked.links
    ]


@given(st.lists(st.tuples(MARKUP, st.lists(st.integers(1, 3), max_size=2)), max_size=4))
def test_the_answer_is_found_again_without_its_links(
    sentences: list[tuple[str, list[int]]],
) -> None:
    answer = answer_of(*sentences)
    text, sources = unlink(link_citations(answer, BASE_URL).text)
    assert text == answer.answer
    assert sources == {(each.document_id, each.version) for each in answer.citations}


@given(MARKUP)
def test_documents_bring_no_link_no_picture_and_no_html(text: str) -> None:
    shown = link_citations(answer_of((text, [])), BASE_URL).text
    unescaped = shown.replace("\\\\", "")
    for mark in "[]<":
        assert unescaped.count(mark) == unescaped.count(f"\\{mark}")
