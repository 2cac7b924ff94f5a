"""Sentences: every character in exactly one, cut where a reader would, in linear time."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from generation.sentences import split_sentences
from tests.unit.generation.passages import odd_texts


def _cut(text: str, *, wrapped: bool = True) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text, wrapped=wrapped)]


@given(text=odd_texts(), wrapped=st.booleans())
@example(text="", wrapped=True)
@example(text="\r\n \t\n", wrapped=True)
@example(text="\n".join(["wide " * 20, "short", "Then a line."]), wrapped=True)
def test_every_visible_character_is_in_exactly_one_sentence(*, text: str, wrapped: bool) -> None:
    reached = 0
    for start, end in split_sentences(text, wrapped=wrapped):
        assert reached <= start < end <= len(text)
        assert not text[reached:start].strip()
        assert text[start:end] == text[start:end].strip()
        reached = end
    assert not text[reached:].strip()


@given(odd_texts())
def test_a_sentence_alone_is_still_one_sentence(text: str) -> None:
    for sentence in _cut(text, wrapped=False):
        assert _cut(sentence, wrapped=False) == [sentence]


@pytest.mark.parametrize(
    "text",
    [
        "El Dr. Pérez y la Dra. Ruiz operan hoy.",
        "Ganó en Dallas (EE. UU.) y volvió.",
        "Los EE. UU. Los demás países no.",
        "He moved to the U.S. Army base.",
        "Some fruit, e.g. Granny Smith apples, is sour.",
        "Hay ciudades, p. ej. Madrid, que crecen.",
        "J. R. R. Tolkien wrote it.",
        "In Roe v. Wade the court decided.",
        "See p. 12 and fig. 3 and No. 5 and art. 7.",
        "Nació el 5 de dic. 1990 en Lima.",
        "Pi is 3.14 and a thousand is 1.000,50 here.",
        'He asked "Why?" and left.',
        "Wait... and then it began.",
        "Yahoo! was a company.",
        "«¿Vienes?» preguntó ella.",
        "1. Install the package.",
        "version 2.0.1 of example.com is out",
    ],
)
def test_a_stop_inside_a_sentence_does_not_end_it(text: str) -> None:
    assert _cut(text) == [text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two.", ["One.", "Two."]),
        ("¿Qué? ¡Nada! ¿Y tú?", ["¿Qué?", "¡Nada!", "¿Y tú?"]),
        ("Ganó. «Por fin», dijo.", ["Ganó.", "«Por fin», dijo."]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("Vino (tarde.) Luego se fue.", ["Vino (tarde.)", "Luego se fue."]),
        ("Was it? Yes... It was.", ["Was it?", "Yes...", "It was."]),
        ("Fin… Otra cosa.", ["Fin…", "Otra cosa."]),
        ("It was built.[3] Then[4] it fell.", ["It was built.[3]", "Then[4] it fell."]),
        ("It cost a lot. $5 million.", ["It cost a lot.", "$5 million."]),
        ("Dijo que no. Luego volvió.", ["Dijo que no.", "Luego volvió."]),
        ("Llegó en 1990. 300 personas esperaban.", ["Llegó en 1990.", "300 personas esperaban."]),
        ("Ends here.\tStarts there.", ["Ends here.", "Starts there."]),
    ],
)
def test_a_stop_before_a_new_sentence_ends_the_old(text: str, expected: list[str]) -> None:
    assert _cut(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "apples, pears, etc.\n\nthe next paragraph",
            ["apples, pears, etc.", "the next paragraph"],
        ),
        ("First\r\n\r\nSecond", ["First", "Second"]),
        ("Take:\n- bread\n- milk and\n  honey", ["Take:", "- bread", "- milk and\n  honey"]),
        ("1. Open it\n2. Close it", ["1. Open it", "2. Close it"]),
        ("# Opening hours\nWe open at nine.", ["# Opening hours", "We open at nine."]),
        ("| Day | Open |\n| Monday | nine |", ["| Day | Open |", "| Monday | nine |"]),
    ],
)
def test_blank_lines_list_items_headings_and_rows_end_a_sentence(
    text: str, expected: list[str]
) -> None:
    assert _cut(text) == expected


def test_a_sentence_goes_on_in_the_next_line_of_wrapped_text() -> None:
    text = (
        "The harbour was built by the\nRomans, who needed a place for\ntheir grain. It is in use."
    )

    first, second = _cut(text)

    assert first.endswith("for\ntheir grain.")
    assert second == "It is in use."


@pytest.mark.parametrize(
    "beside",
    [
        "| " + "a very wide row of a table | " * 8,
        "A paragraph that is one long line, " + "which an editor wraps only on the screen, " * 4,
        "# Heading",
    ],
)
def test_lines_that_are_not_wrapped_leave_the_wrapped_ones_whole(beside: str) -> None:
    wrapped = "The harbour was built by the\nRomans, who needed a place for\ntheir grain."

    for text in (f"{beside}\n\n{wrapped}", f"{wrapped}\n\n{beside}"):
        assert wrapped in _cut(text)


def test_a_heading_right_above_wrapped_lines_leaves_them_whole() -> None:
    wrapped = "The harbour was built by the\nRomans, who needed a place."

    assert _cut(f"## The harbour\n{wrapped}") == ["## The harbour", wrapped]


def test_the_lines_that_a_model_writes_are_sentences_of_their_own() -> None:
    text = "The harbour was built by the\nRomans, who needed it"

    assert _cut(text, wrapped=False) == text.split("\n")


@pytest.mark.parametrize(
    "unit",
    [
        ".",
        "?!",
        "\n",
        " ",
        "\t ",
        "\r\n",
        "\n \n",
        ".\n",
        '."',
        '"',
        "(",
        "- ",
        "1. ",
        "A. ",
        "a",
        "…",
        ".[1]",
        "| ",
        "|\n",
    ],
)
@pytest.mark.parametrize("opening", ["", "Word.", " " * 50_000])
def test_hostile_text_takes_linear_time(unit: str, opening: str) -> None:
    text = opening + unit * (100_000 // len(unit)) + "-"

    began = time.thread_time()
    list(split_sentences(text))

    # linear: some hundredths of a second; quadratic: minutes
    assert time.thread_time() - began < 5
