"""What a sentence loses without its span: asked of the prompt without it, told a sentence."""

from collections.abc import Sequence

from core.types import Passage
from generation.citations import CheckedText, check_text
from generation.errors import QuestionTooLongError
from generation.evidence import find_sentences
from generation.span_likelihood import with_likelihood_drops
from generation.types import Message
from tests.fakes_generation import FakeGenerator
from tests.unit.generation.passages import make_passage

STORED = "The museum opens at nine in the morning. Tickets cost twelve euros for every adult."
OPENS, COST = (
    "The museum opens at nine in the morning.",
    "Tickets cost twelve euros for every adult.",
)


class Reading(FakeGenerator):
    """Finds a text likelier by a nat for each of its words that the prompt holds."""

    def __init__(self) -> None:
        super().__init__()
        self.prompts: list[str] = []

    def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, adapter: str = ""
    ) -> list[float]:
        prompt = messages[-1].content
        self.prompts.append(prompt)
        return [-sum(float(word not in prompt) for word in text.split()) for text in continuations]


def render(passages: Sequence[Passage]) -> list[Message]:
    return [Message("user", "\n".join(passage.text for passage in passages))]


def drops(
    text: str,
    passages: Sequence[Passage],
    generator: FakeGenerator,
    *,
    in_prompt: Sequence[Passage] | None = None,
    is_gone: bool = False,
) -> list[float | None]:
    checked: CheckedText = check_text(text, find_sentences(passages))
    weighed = with_likelihood_drops(
        checked,
        passages if in_prompt is None else in_prompt,
        render=render,
        generator=generator,
        cancelled=lambda: is_gone,
    )
    assert weighed.text == checked.text
    assert weighed.citations == checked.citations
    return [sentence.likelihood_drop for sentence in weighed.sentences]


def test_a_sentence_loses_what_only_its_span_told() -> None:
    generator = Reading()

    found = drops(f"{COST} {OPENS}", [make_passage(STORED, start=70)], generator)

    assert found == [7.0, 8.0]
    assert OPENS in generator.prompts[1]
    assert COST not in generator.prompts[1]


def test_a_sentence_that_stands_elsewhere_too_loses_nothing() -> None:
    passages = [make_passage(STORED), make_passage(STORED, version="ver_2")]

    assert drops(COST, passages, Reading()) == [0.0]


def test_a_span_is_taken_from_every_passage_that_overlaps_it() -> None:
    generator = Reading()
    passages = [make_passage(STORED), make_passage(STORED[41:], start=41)]

    assert drops(COST, passages, generator) == [7.0]
    assert "twelve" not in generator.prompts[-1]


def test_a_sentence_without_a_citation_has_no_drop() -> None:
    assert drops("Zebras sleep under purple umbrellas.", [make_passage(STORED)], Reading()) == [
        None
    ]


def test_a_span_that_the_prompt_does_not_hold_cannot_be_taken_away() -> None:
    generator = Reading()

    assert drops(COST, [make_passage(STORED)], generator, in_prompt=[]) == [None]
    assert generator.prompts == []


def test_nothing_is_computed_for_a_caller_who_has_gone() -> None:
    generator = Reading()

    assert drops(COST, [make_passage(STORED)], generator, is_gone=True) == [None]
    assert generator.prompts == []


def test_what_does_not_fit_into_the_window_is_left_open() -> None:
    class Narrow(FakeGenerator):
        def score(
            self, messages: Sequence[Message], continuations: Sequence[str], *, adapter: str = ""
        ) -> list[float]:
            raise QuestionTooLongError("300 tokens; at most 255")

    assert drops(COST, [make_passage(STORED)], Narrow()) == [None]


def test_many_sentences_are_scored_in_turns() -> None:
    generator = Reading()
    text = "\n".join([COST] * 150)

    found = drops(text, [make_passage(STORED)], generator)

    assert found == [7.0] * 150
    assert len(generator.prompts) == 6
