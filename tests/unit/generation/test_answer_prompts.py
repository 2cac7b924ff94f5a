"""What a prompt changes of an answer: reasoning kept apart, examples shown; the checks stay."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from generation.answer import AnswerOptions, answer
from generation.evidence import EvidenceRanker
from generation.prompts import load_prompt
from generation.types import (
    Answer,
    AnswerEvent,
    Cited,
    Delta,
    Example,
    Finished,
    Reasoning,
    Sampling,
)
from tests.fakes import FakeEmbedder
from tests.fakes_generation import FakeGenerator, WatchedGenerator
from tests.unit.generation.passages import make_passage

STORED = (
    "The museum opens at nine in the morning. Tickets cost twelve euros for every adult. "
    "Dogs must wait at the door of the garden."
)
QUESTION = "How much do tickets cost for an adult?"
COST = "Tickets cost twelve euros for every adult."
NONSENSE = "Zebras sleep under purple umbrellas."
OPTIONS = AnswerOptions(Sampling(), min_confidence=0.0)
REASONED = f"The second sentence says it.\nAnswer: {COST}"
THINKING = OPTIONS.with_prompt(load_prompt("chain_of_thought"))


def _answer(generator: FakeGenerator, options: AnswerOptions) -> list[AnswerEvent]:
    return list(
        answer(
            QUESTION,
            [make_passage(STORED)],
            generator=generator,
            ranker=EvidenceRanker(FakeEmbedder()),
            options=options,
            cancelled=lambda: False,
        )
    )


def _finished(events: Sequence[AnswerEvent]) -> Answer:
    assert isinstance(events[-1], Finished)
    return events[-1].answer


def _shown(events: Sequence[AnswerEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def _reasoning(events: Sequence[AnswerEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Reasoning))


def test_reasoning_comes_apart_from_the_answer_and_before_it() -> None:
    generator = WatchedGenerator(reply=REASONED)

    events = _answer(generator, THINKING)

    kinds = [type(event) for event in events]
    assert kinds == sorted(kinds, key=[Reasoning, Delta, Cited, Finished].index)
    finished = _finished(events)
    assert _reasoning(events) == finished.reasoning == "The second sentence says it."
    assert _shown(events) == finished.text == COST
    assert finished.sentences[0].citations == (1,)
    assert 0 < finished.usage.reasoning_tokens < finished.usage.completion_tokens
    assert finished.prompt == "chain_of_thought@1"


@pytest.mark.parametrize(
    "reply", ["It goes on and on.", f"Because. Answer: {NONSENSE}", "Answer:", COST]
)
def test_where_reasoning_comes_to_no_supported_answer_the_quote_is_given(reply: str) -> None:
    events = _answer(FakeGenerator(reply=reply), THINKING)

    finished = _finished(events)
    assert _shown(events) == finished.text == COST
    assert NONSENSE not in _reasoning(events)
    assert finished.reasoning == reply.partition("Answer:")[0].strip()


def test_reasoning_is_never_answer_text_however_well_it_is_supported() -> None:
    events = _answer(FakeGenerator(reply=f"The museum opens at nine. Answer: {COST}"), THINKING)

    assert _finished(events).text == COST


def test_the_answer_after_the_reasoning_has_its_own_length() -> None:
    # a word a token: one sentence, and three words of the next
    sampling = replace(OPTIONS.sampling, max_tokens=10)

    events = _answer(
        FakeGenerator(reply=f"{COST} {COST} Answer: {COST} {COST}"),
        replace(THINKING, sampling=sampling, unsupported="mark"),
    )

    finished = _finished(events)
    assert finished.reasoning == f"{COST} {COST}"
    assert _shown(events) == finished.text == COST
    assert finished.finish_reason == "length"


def test_a_prompt_may_say_how_it_is_written() -> None:
    assert OPTIONS.with_prompt(load_prompt("few_shot")).style == "draft"
    assert replace(OPTIONS, style="draft").with_prompt(load_prompt("direct")).style == "draft"
    assert OPTIONS.with_prompt(load_prompt("direct")).style == "quote"


def test_the_model_is_shown_the_examples_and_the_answer_says_which() -> None:
    example = Example("7", "How high is it?", "It is a mile high.", "A mile.")
    options = replace(OPTIONS, prompt=load_prompt("few_shot"), examples=(example,))
    generator = WatchedGenerator()

    finished = _finished(_answer(generator, options))

    assert [message.content for message in generator.prompts[0]][2] == "A mile."
    assert (finished.examples, finished.examples_left_out) == ((example,), ())


def test_of_several_drafts_the_winners_reasoning_is_shown() -> None:
    short = "Tickets cost twelve euros."
    reasoned = REASONED.replace(COST, short)
    replies = [f"I guess. Answer: {NONSENSE}", reasoned, reasoned]
    options = replace(THINKING, sampling=Sampling(temperature=0.7, n=3))

    events = _answer(FakeGenerator(replies=replies), options)

    finished = _finished(events)
    assert (finished.text, finished.reasoning) == (short, "The second sentence says it.")
    assert isinstance(events[0], Reasoning)
    assert finished.samples is not None
    assert finished.samples.winner == 1
    assert 0 < finished.usage.reasoning_tokens < finished.usage.completion_tokens
