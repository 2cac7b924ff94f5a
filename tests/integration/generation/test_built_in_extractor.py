"""The extractor that comes with the service, over real weights, in both languages."""

from pathlib import Path

import pytest

from app.judging_models import build_pointer
from core.settings import Settings, load_settings
from generation.extracting import Pointer

ENGLISH = (
    "The lighthouse of Punta Nariga was designed by César Portela and opened in 1995. It stands 50 "
    "metres above the sea, and its light is seen from 22 miles away."
)
SPANISH = (
    "El faro de Punta Nariga fue diseñado por César Portela y se inauguró en 1995. Se alza 50 "
    "metros sobre el mar y su luz se ve a 22 millas."
)

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def pointer() -> Pointer:
    settings: Settings = load_settings()
    models = settings.models.model_copy(update={"extractor": Path("reader")})
    return build_pointer(settings.model_copy(update={"models": models}), num_threads=1)


@pytest.mark.parametrize(
    ("question", "passage", "words"),
    [
        ("When did the lighthouse open?", ENGLISH, "1995"),
        ("Who designed the lighthouse?", ENGLISH, "César Portela"),
        ("¿Cuándo se inauguró el faro?", SPANISH, "1995"),
        ("¿Quién diseñó el faro?", SPANISH, "César Portela"),
    ],
)
def test_it_points_at_the_words_that_answer(
    pointer: Pointer, question: str, passage: str, words: str
) -> None:
    (found,) = pointer.point(question, [passage])
    first = found.spans[0]
    assert words in first.text
    assert passage[first.start : first.end] == first.text
    assert first.probability > 0.5


def test_it_doubts_the_passage_of_which_nobody_asked(pointer: Pointer) -> None:
    for question, answers, other in (
        ("When did the lighthouse open?", ENGLISH, "The museum has fourteen rooms and a garden."),
        ("¿Cuándo se inauguró el faro?", SPANISH, "El museo tiene catorce salas y un jardín."),
    ):
        right, wrong = pointer.point(question, [answers, other])
        assert right.no_answer < wrong.no_answer
