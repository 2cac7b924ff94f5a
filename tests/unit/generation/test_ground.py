"""Of several passages a reader answers from the one that it doubts least."""

from collections.abc import Callable

from core.types import Passage
from generation.evidence import Evidence
from generation.ground import choose_ground
from tests.unit.generation.passages import make_passage

RAIN = make_passage("It rains. The sun is out.", version="ver_1")
WIND = make_passage("There is wind. There is hail.", version="ver_2")


def sentence(passage: Passage, text: str) -> Evidence:
    start = passage.start + passage.text.index(text)
    return Evidence(passage, start, start + len(text), text)


def doubting(**doubts: float) -> Callable[[Passage], float]:
    return lambda passage: doubts[passage.version_id]


def test_the_passage_that_is_doubted_least_is_taken_with_its_sentences_in_their_order() -> None:
    evidence = [
        sentence(RAIN, "The sun is out."),
        sentence(WIND, "There is hail."),
        sentence(RAIN, "It rains."),
        sentence(WIND, "There is wind."),
    ]
    ground = choose_ground(evidence, doubting(ver_1=-0.2, ver_2=-7.0))
    assert ground.passage == WIND
    assert [item.text for item in ground.evidence] == ["There is hail.", "There is wind."]


def test_of_passages_that_are_doubted_alike_the_best_ranked_is_taken() -> None:
    evidence = [sentence(WIND, "There is hail."), sentence(RAIN, "It rains.")]
    assert choose_ground(evidence, doubting(ver_1=-1.0, ver_2=-1.0)).passage == WIND


def test_a_single_passage_is_not_doubted() -> None:
    asked: list[Passage] = []

    def doubt(passage: Passage) -> float:
        asked.append(passage)
        return 0.0

    evidence = [sentence(RAIN, "It rains."), sentence(RAIN, "The sun is out.")]
    assert choose_ground(evidence, doubt).evidence == evidence
    assert asked == []


def test_a_sentence_that_two_chunks_of_a_version_share_is_of_both() -> None:
    whole = "It rains. The sun is out. A wind comes up."
    first = make_passage("It rains. The sun is out.")
    second = make_passage("The sun is out. A wind comes up.", start=whole.index("The sun"))
    evidence = [
        sentence(first, "The sun is out."),
        sentence(second, "A wind comes up."),
        sentence(first, "It rains."),
    ]
    ground = choose_ground(evidence, lambda passage: float(passage == first))
    assert ground.passage == second
    assert [item.text for item in ground.evidence] == ["The sun is out.", "A wind comes up."]
