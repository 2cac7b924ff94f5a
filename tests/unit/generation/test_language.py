"""The language of a question decides the language of the answer around the quote."""

import pytest

from generation.language import question_language


@pytest.mark.parametrize(
    "question",
    [
        "¿Quién?",
        "  ¡Dime 42!",
        "cuando abre el museo",
        "cuánto cuesta la entrada",
        "días de vacaciones al año",
        "contraseña olvidada",
        "QUIÉN FUNDÓ LA EMPRESA",
        "¿Who is Michael Jackson?",
    ],
)
def test_a_spanish_question_is_spanish(question: str) -> None:
    assert question_language(question) == "es"


@pytest.mark.parametrize(
    "question",
    [
        "Who won?",
        "When does the museum open?",
        "What is El Niño?",
        "who was Señor Muñoz",
        "How many piñatas did José Muñoz sell in Logroño?",
        "What does '¿Qué tal?' mean in English?",
    ],
)
def test_an_english_question_is_english_whatever_it_names(question: str) -> None:
    assert question_language(question) == "en"


@pytest.mark.parametrize("question", ["", "   ", "2024", "😀", "???"])
def test_a_question_without_letters_counts_as_english(question: str) -> None:
    assert question_language(question) == "en"
