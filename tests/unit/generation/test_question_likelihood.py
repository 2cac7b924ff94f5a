"""The likelihood of a question after a text: what the generator is asked, and what comes of it."""

from collections.abc import Sequence

import pytest

from generation.question_likelihood import QuestionLikelihood
from generation.types import Message
from tests.fakes_generation import FakeGenerator


class Expecting(FakeGenerator):
    """Finds a question likelier, the more of its words stand in the prompt."""

    def __init__(self, *, max_context: int = 4096) -> None:
        super().__init__()
        self.max_context = max_context
        self.prompts: list[str] = []

    def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, adapter: str = ""
    ) -> list[float]:
        """One nat for every word that the prompt lacks."""
        (message,) = messages
        self.prompts.append(message.content)
        return [
            -float(sum(word not in message.content for word in text.split()))
            for text in continuations
        ]


def test_the_text_that_makes_the_question_likelier_scores_higher() -> None:
    scores = QuestionLikelihood(Expecting()).score(
        "when opens the pool", ["the pool opens at nine", "cats sleep"]
    )

    assert scores == [pytest.approx(-0.25), pytest.approx(-1.0)]


def test_no_texts_have_no_scores() -> None:
    assert QuestionLikelihood(Expecting()).score("why", []) == []


def test_of_a_text_that_does_not_fit_the_beginning_is_read() -> None:
    generator = Expecting(max_context=40)

    QuestionLikelihood(generator).score("when", ["first " + "word " * 200])

    (prompt,) = generator.prompts
    assert prompt.startswith("first word")
    assert len(prompt.split()) <= 40


def test_braces_in_a_text_are_text() -> None:
    generator = Expecting()

    QuestionLikelihood(generator).score("when", ["a {text} {0} {"])

    assert "a {text} {0} {" in generator.prompts[0]
