"""Answers chosen from several drafts: checked like one, told of in full, and always one end."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from generation.answer import AnswerOptions
from generation.errors import GeneratorNotSupportedError
from generation.types import (
    AnswerEvent,
    Cancelled,
    Cited,
    Finished,
    Message,
    Sampling,
    Style,
)
from tests.fakes_generation import FakeGenerator, WatchedGenerator
from tests.unit.generation.passages import make_passage
from tests.unit.generation.test_answer import (
    COST,
    NONSENSE,
    STORED,
    _answer,
    _finished,
    _shown,
)

SHORT = "Tickets cost twelve euros."
OPENS = "The museum opens at nine in the morning."
FOUR = AnswerOptions(Sampling(n=4, temperature=0.7), min_confidence=0.0)


def _sampled(
    generator: FakeGenerator,
    *,
    options: AnswerOptions = FOUR,
    style: Style = "draft",
    cancelled: Callable[[], bool] = lambda: False,
) -> list[AnswerEvent]:
    passages = [make_passage(STORED)]
    return _answer(generator, passages, options=options, style=style, cancelled=cancelled)


@pytest.mark.parametrize("style", ["draft", "quote"])
def test_the_winner_is_shown_and_the_receipt_tells_of_all(style: Style) -> None:
    generator = WatchedGenerator(replies=[NONSENSE, SHORT, f"{SHORT} {NONSENSE}", SHORT])

    events = _sampled(generator, style=style)

    finished = _finished(events)
    assert _shown(events) == finished.text == SHORT
    assert (finished.status, finished.citations[0].quote) == ("answered", COST)
    assert finished.samples is not None
    assert finished.samples.winner == 1
    assert [each.stands for each in finished.samples.each] == [False, True, True, True]
    rewards = [each.reward for each in finished.samples.each]
    assert max(rewards) == rewards[1]
    assert len(generator.prompts) == 1


def test_every_sample_is_paid_for() -> None:
    finished = _finished(_sampled(FakeGenerator(replies=[NONSENSE, SHORT, SHORT, SHORT])))

    num_words = len(NONSENSE.split()) + 3 * len(SHORT.split())
    assert finished.usage.completion_tokens == num_words


def test_where_no_draft_stands_the_quote_does() -> None:
    generator = WatchedGenerator(replies=[NONSENSE])

    finished = _finished(_sampled(generator))

    assert finished.text == COST
    assert finished.samples is not None
    assert (finished.samples.winner, len(finished.samples.each)) == (None, 4)
    assert len(generator.prompts) == 2


def test_where_most_drafts_fall_the_quote_stands_and_the_receipt_says_why() -> None:
    finished = _finished(_sampled(FakeGenerator(replies=[NONSENSE, SHORT, NONSENSE, NONSENSE])))

    assert finished.text == COST
    assert finished.samples is not None
    assert finished.samples.winner is None
    assert finished.samples.each[1].stands
    assert finished.samples.quote.reward > finished.samples.each[1].reward


@pytest.mark.parametrize(("max_tokens", "reason"), [(6, "length"), (8, "stop")])
def test_of_a_winner_that_was_cut_no_half_sentence_is_shown(max_tokens: int, reason: str) -> None:
    options = replace(FOUR, sampling=replace(FOUR.sampling, max_tokens=max_tokens))

    events = _sampled(FakeGenerator(replies=[f"{SHORT} The museum opens at"]), options=options)

    finished = _finished(events)
    assert finished.finish_reason == reason
    assert finished.text.startswith(SHORT)
    assert (finished.text == _shown(events) == SHORT) == (reason == "length")


def test_one_text_has_no_samples() -> None:
    single = replace(FOUR, sampling=Sampling())

    assert _finished(_sampled(FakeGenerator(reply=COST), options=single)).samples is None


def test_nothing_is_sampled_for_a_question_that_is_refused() -> None:
    generator = WatchedGenerator(replies=[COST])

    finished = _finished(_sampled(generator, options=replace(FOUR, min_confidence=1.0)))

    assert (finished.status, finished.samples, generator.prompts) == ("refused", None, [])


@pytest.mark.parametrize("num_asked", range(0, 36, 5))
def test_an_answer_cancelled_at_any_word_ends_once(num_asked: int) -> None:
    calls = iter(range(num_asked))
    generator = WatchedGenerator(replies=[SHORT])

    events = _sampled(generator, cancelled=lambda: next(calls, None) is None)

    ends = [event for event in events if isinstance(event, Finished | Cancelled)]
    assert ends == [events[-1]]
    if generator.was_cancelled.is_set():
        assert ends == [Cancelled()]
        assert not any(isinstance(event, Cited) for event in events)
        assert _shown(events) in ("", SHORT)


def test_a_failing_generator_is_not_hidden() -> None:
    with pytest.raises(RuntimeError, match="out of memory"):
        _sampled(FakeGenerator(error=RuntimeError("out of memory")))


def test_equal_seeds_give_equal_answers() -> None:
    first, again = (_sampled(FakeGenerator(replies=[OPENS, SHORT, SHORT])) for _ in range(2))

    assert first == again


@pytest.mark.parametrize("style", ["draft", "quote"])
def test_each_sentence_says_what_it_loses_without_its_span(style: Style) -> None:
    class Reading(FakeGenerator):
        """Finds what the prompt does not hold a nat less likely."""

        def score(
            self, messages: Sequence[Message], continuations: Sequence[str], *, adapter: str = ""
        ) -> list[float]:
            return [float(text in messages[-1].content) for text in continuations]

    asked = replace(FOUR, sampling=Sampling(), likelihood=True)
    silent = replace(asked, likelihood=False)

    answers = [
        _finished(_sampled(Reading(reply=COST), options=how, style=style))
        for how in (asked, silent)
    ]
    drops = [[each.likelihood_drop for each in finished.sentences] for finished in answers]

    assert drops == [[1.0], [None]]


def test_where_likelihoods_cannot_be_had_it_is_said_before_anything_is_written() -> None:
    class Foreign(WatchedGenerator):
        def score(
            self, messages: Sequence[Message], continuations: Sequence[str], *, adapter: str = ""
        ) -> list[float]:
            raise GeneratorNotSupportedError("no scores here")

    generator = Foreign(reply=COST)

    with pytest.raises(GeneratorNotSupportedError):
        _sampled(generator, options=replace(FOUR, likelihood=True))
    assert generator.prompts == []
