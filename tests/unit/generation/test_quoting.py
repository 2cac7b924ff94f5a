"""What is quoted, and how it reads; not a word of it changes."""

from dataclasses import replace

import pytest

from generation.evidence import Evidence, find_sentences
from generation.quoting import as_read, choose_quotes, quotation
from generation.words import stems
from tests.unit.generation.passages import make_passage

STORED = "The first one says this. The second one says that. The third one says more."


def ranked(*relevances: float, version: str = "ver_a") -> list[Evidence]:
    found = find_sentences([make_passage(STORED, version=version)])
    scored = [
        replace(item, similarity=score) for item, score in zip(found, relevances, strict=False)
    ]
    return sorted(scored, key=lambda item: item.relevance, reverse=True)


def test_second_sentence_is_quoted_only_when_it_is_nearly_as_relevant() -> None:
    assert len(choose_quotes(ranked(0.90, 0.80, 0.70))) == 1
    assert len(choose_quotes(ranked(0.90, 0.89, 0.70))) == 2
    assert len(choose_quotes(ranked(0.90, 0.89, 0.89))) == 2


def test_sentences_of_one_document_are_quoted_in_its_order() -> None:
    quotes = choose_quotes(ranked(0.89, 0.90))

    assert quotation(quotes) == "The first one says this.\nThe second one says that."


def test_sentences_of_two_documents_are_quoted_best_first() -> None:
    evidence = [*ranked(0.90, version="ver_b")[:1], *ranked(0.10, 0.89, version="ver_a")[:1]]

    assert [item.passage.version_id for item in choose_quotes(evidence)] == ["ver_b", "ver_a"]


def test_same_words_from_another_place_are_not_quoted_twice() -> None:
    evidence = [*ranked(0.90, version="ver_b"), *ranked(0.90, version="ver_a")]

    assert len(choose_quotes(evidence)) == 1


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ("lines of a\n  page", "lines of a page"),
        ("on-the-\nedge", "on-the-edge"),
        ("* **TCP** knows addresses", "TCP knows addresses"),
        ("12. see [the guide](https://example.org/a 'b') now", "see [the guide]"),
        ("see [the guide](https://example.org/a) now", "see the guide now"),
        ("![a chart](chart.png) of rain", "a chart of rain"),
        ("2 * 3 * 4 = 24", "2 * 3 * 4 = 24"),
    ],
)
def test_marks_of_layout_are_left_out(stored: str, read: str) -> None:
    assert as_read(stored).startswith(read)


def test_words_stay_as_they_are() -> None:
    stored = "1.000 veh\u00edculos: 5-10 % m\u00e1s, snake_case and `code` (see [x])"

    assert stems(as_read(stored)) == stems(stored)
