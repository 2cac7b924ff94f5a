"""A refusal says what was searched, in the language of the question. It cites nothing."""

import pytest

from core.types import Passage
from generation.refusals import refuse
from generation.types import Answer, Sampling
from tests.unit.generation.passages import make_passage

ENGLISH = "When does the museum open?"
SPANISH = "¿Cuándo abre el museo?"


def _refuse(question: str, passages: list[Passage]) -> Answer:
    return refuse(question, passages, prompt="direct@1", sampling=Sampling(), confidence=0.25)


@pytest.mark.parametrize("question", [ENGLISH, SPANISH])
@pytest.mark.parametrize("num_passages", [0, 1, 5])
def test_a_refusal_cites_nothing(question: str, num_passages: int) -> None:
    passages = [make_passage("Some text.", start=index * 50) for index in range(num_passages)]

    answer = _refuse(question, passages)

    assert answer.status == "refused"
    assert (answer.sentences, answer.citations) == ((), ())
    assert (answer.prompt, answer.confidence) == ("direct@1", 0.25)


def test_without_passages_it_says_that_there_is_nothing_to_search() -> None:
    assert _refuse(ENGLISH, []).text.startswith("There is nothing to answer from")
    assert _refuse(SPANISH, []).text.startswith("No hay de dónde responder")


def test_it_names_the_nearest_places_once_each_and_three_at_most() -> None:
    pages = [4, 4, None, 2, 9]
    passages = [make_passage("Text.", start=10 * at, page=page) for at, page in enumerate(pages)]

    assert _refuse(ENGLISH, passages).text.endswith(
        "I searched 5 passages; the nearest are in guide.pdf (page 4), guide.pdf and "
        "guide.pdf (page 2)."
    )
    assert _refuse(SPANISH, passages).text.endswith(
        "Busqué en 5 pasajes; los más cercanos están en guide.pdf (página 4), guide.pdf y "
        "guide.pdf (página 2)."
    )


def test_one_passage_is_spoken_of_in_the_singular() -> None:
    passages = [make_passage("Text.", page=3)]

    assert _refuse(ENGLISH, passages).text.endswith("one passage, in guide.pdf (page 3).")
    assert _refuse(SPANISH, passages).text.endswith("un solo pasaje, de guide.pdf (página 3).")


@pytest.mark.parametrize("name", ["{nearest}.txt", "{0}", "100%s {", "}{"])
def test_a_file_name_with_braces_is_only_a_name(name: str) -> None:
    passages = [make_passage("Text.", name=name, page=1), make_passage("Text.", start=9)]

    assert f" {name} (page 1) and guide.pdf." in _refuse(ENGLISH, passages).text
