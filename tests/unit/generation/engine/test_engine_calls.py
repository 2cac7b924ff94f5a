"""The engine for callers that wait: a generation token by token, scores of continuations."""

import threading
from collections.abc import Callable, Iterator

import pytest

from generation.engine.engine import Engine, EngineSettings, Ticket
from generation.engine.errors import EngineBusyError, InvalidPromptError, PromptTooLongError
from generation.engine.events import Event
from generation.engine.generation import GenerationFailedError
from generation.engine.params import SamplingParams
from generation.engine.sequence import FinishReason, Request
from tests.unit.generation.engine.fakes import (
    PATIENCE_S,
    HeldModel,
    RecallModel,
    Script,
    ask,
    uncached,
)
from tests.unit.generation.engine.tiny import ScriptedModel

PROMPT = [5, 17, 3, 90, 41, 5, 17, 8, 66, 2, 31, 77, 5, 17, 3, 90, 9, 30, 41, 5, 17]
ENDLESS = SamplingParams(max_tokens=10**6)


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(RecallModel(), EngineSettings(num_threads=1, max_sequences=4, max_waiting=8))
    yield engine
    engine.close()
    assert engine.stats().kv_usage == 0


def test_tokens_come_one_by_one_and_then_the_reason(engine: Engine) -> None:
    generation = engine.generate(PROMPT, SamplingParams(max_tokens=4))
    assert generation.finish_reason is None
    assert list(generation) == uncached(RecallModel(), ask(PROMPT, max_tokens=4))
    assert generation.finish_reason is FinishReason.LENGTH
    assert list(generation) == []


def test_what_was_found_in_the_cache_is_told_at_the_end(engine: Engine) -> None:
    list(engine.generate(PROMPT, SamplingParams(max_tokens=4)))
    generation = engine.generate(PROMPT, SamplingParams(max_tokens=4))
    assert generation.num_reused_tokens == 0
    list(generation)
    assert generation.num_reused_tokens == 16


def test_what_was_forgotten_is_computed_anew(engine: Engine) -> None:
    def num_reused() -> int:
        generation = engine.generate(PROMPT, SamplingParams(max_tokens=4))
        list(generation)
        return generation.num_reused_tokens

    engine.forget_prefixes()  # of an engine that has not begun
    assert (num_reused(), num_reused()) == (0, 16)
    engine.forget_prefixes()
    assert (num_reused(), num_reused()) == (0, 16)


def test_what_runs_goes_on_and_is_not_found_by_who_comes_later(engine: Engine) -> None:
    running = engine.generate(PROMPT, ENDLESS)
    first = next(running)
    engine.forget_prefixes()
    later = engine.generate(PROMPT, SamplingParams(max_tokens=1))
    assert list(later) == [first]
    assert later.num_reused_tokens == 0
    assert next(running) is not None
    running.close()


def test_closing_a_generation_ends_it_and_keeps_what_has_come(engine: Engine) -> None:
    generation = engine.generate(PROMPT, ENDLESS)
    first = next(generation)
    generation.close()
    rest = list(generation)
    assert generation.finish_reason is FinishReason.CANCELLED
    expected = uncached(RecallModel(), ask(PROMPT, max_tokens=1 + len(rest)))
    assert [first, *rest] == expected
    generation.close()  # twice does no harm


def test_a_caller_may_say_when_it_has_enough(engine: Engine) -> None:
    tokens: list[int] = []
    generation = engine.generate(PROMPT, ENDLESS, cancelled=lambda: len(tokens) >= 2)
    for token in generation:
        tokens.append(token)  # noqa: PERF402  # the callback watches the list grow
    assert generation.finish_reason in (FinishReason.CANCELLED, FinishReason.LENGTH)
    assert tokens == uncached(RecallModel(), ask(PROMPT, max_tokens=len(tokens)))


def test_a_caller_that_waits_may_have_enough_too() -> None:
    model = HeldModel()
    engine = Engine(model, EngineSettings(num_threads=1))
    generation = engine.generate(PROMPT, ENDLESS, cancelled=lambda: True)
    assert model.has_begun.wait(PATIENCE_S)
    threading.Timer(0.1, model.may_run.set).start()
    assert len(list(generation)) <= 1  # that of the step that was under way
    assert generation.finish_reason is FinishReason.CANCELLED
    engine.close()


def test_an_abandoned_generation_hinders_nobody(engine: Engine) -> None:
    abandoned = [engine.generate(PROMPT, ENDLESS) for _ in range(4)]
    output = list(engine.generate(PROMPT, SamplingParams(max_tokens=3)))
    assert len(output) == 3
    for generation in abandoned:
        generation.close()


def test_a_generation_may_be_constrained(engine: Engine) -> None:
    generation = engine.generate(PROMPT, ENDLESS, build_constraint=lambda: Script([7], [8, 9], [1]))
    output = list(generation)
    assert output in ([7, 8, 1], [7, 9, 1])
    assert generation.finish_reason is FinishReason.STOP


# scores


def expected_score(prompt: list[int], continuation: list[int]) -> float:
    model = RecallModel()
    tokens, total = list(prompt), 0.0
    for token in continuation:
        total += float(model.remember(tokens)[0].log_softmax(-1)[token])
        tokens.append(token)
    return total


CONTINUATIONS = [[4], [9, 9, 12], [], [77, 1], [3], [*range(40)]]


def test_scores_are_those_of_the_reference_in_the_order_asked(engine: Engine) -> None:
    for _ in range(2):  # the second time with everything in the cache
        scores = engine.score(PROMPT, CONTINUATIONS)
        expected = [expected_score(PROMPT, each) for each in CONTINUATIONS]
        assert scores == pytest.approx(expected, abs=1e-3)


def test_the_prompt_is_computed_once_for_all_scores() -> None:
    model = RecallModel()
    engine = Engine(model, EngineSettings(num_threads=1))
    prompt = [number % 97 for number in range(100)]
    engine.score(prompt, [[1], [2], [3, 4]])
    assert model.num_calls == 2  # the first, and the others in one batch
    # 101 rounded up; what is left of the prompt after whole pages, then each continuation
    assert model.num_tokens == 128 + 2 * (100 - 96) + 3
    engine.close()


def test_an_empty_continuation_scores_nothing_and_no_continuations_no_scores(
    engine: Engine,
) -> None:
    assert engine.score(PROMPT, [[]]) == [0.0]
    assert engine.score(PROMPT, []) == []
    assert engine.stats().num_steps == 0


def test_more_continuations_than_seats_are_scored_in_turns(engine: Engine) -> None:
    continuations = [[number, 3] for number in range(30)]
    scores = engine.score(PROMPT, continuations)
    expected = [expected_score(PROMPT, each) for each in continuations]
    assert scores == pytest.approx(expected, abs=1e-3)


def test_scores_of_different_tenants_share_nothing(engine: Engine) -> None:
    engine.score(PROMPT, [[1]], tenant="north")
    engine.score(PROMPT, [[1]], tenant="south")
    assert engine.stats().num_reused_tokens == 0


def test_what_cannot_be_scored_is_refused_before_anything_is_computed(engine: Engine) -> None:
    with pytest.raises(PromptTooLongError, match="257 tokens and the engine accepts at most 256"):
        engine.score(PROMPT, [[1], [2] * (256 - len(PROMPT) + 1)])
    with pytest.raises(InvalidPromptError, match="outside the vocabulary"):
        engine.score(PROMPT, [[1], [97]])
    with pytest.raises(InvalidPromptError, match="after at least one token"):
        engine.score([], [[1]])
    assert engine.stats().num_steps == 0


def test_a_continuation_may_fill_the_context_to_the_last_token(engine: Engine) -> None:
    [score] = engine.score(PROMPT, [[2] * (256 - len(PROMPT))])
    assert score == pytest.approx(expected_score(PROMPT, [2] * (256 - len(PROMPT))), abs=1e-2)


def test_scores_that_fail_say_so_and_leave_nothing_behind() -> None:
    engine = Engine(ScriptedModel(fail_on_call=2), EngineSettings(num_threads=1))
    with pytest.raises(GenerationFailedError, match="went away"):
        engine.score([1, 2], [[3], [4], [5], [6]])
    assert engine.score([1, 2], [[3]])[0] < 0
    engine.close()
    assert engine.stats().num_waiting == 0


def test_scores_that_find_the_queue_full_are_refused() -> None:
    model = HeldModel()
    engine = Engine(model, EngineSettings(num_threads=1, max_sequences=1, max_waiting=2))
    running = engine.generate(PROMPT, ENDLESS)
    assert model.has_begun.wait(PATIENCE_S)
    others = [running, *(engine.generate(PROMPT, ENDLESS) for _ in range(2))]
    with pytest.raises(EngineBusyError):
        engine.score(PROMPT, [[1], [2], [3]])
    model.may_run.set()
    for generation in others:
        generation.close()
    engine.close()


class SoonBusy(Engine):
    """Holds its model after the first request, and takes no third."""

    def __init__(self, model: HeldModel) -> None:
        settings = EngineSettings(num_threads=1, max_batch_tokens=16, max_sequences=4)
        super().__init__(model, settings)
        self._model = model
        self._num_submitted = 0

    def submit(self, request: Request, listen: Callable[[Event], None]) -> Ticket:
        self._num_submitted += 1
        if self._num_submitted == 3:
            raise EngineBusyError(num_waiting=1, max_waiting=1)
        if self._num_submitted == 2:
            self._model.may_run.clear()
        return super().submit(request, listen)


def test_scores_that_are_refused_halfway_are_not_computed_for_nobody() -> None:
    model = HeldModel()
    model.may_run.set()
    engine = SoonBusy(model)
    with pytest.raises(EngineBusyError):
        engine.score(PROMPT, [[1], [2] * 200, [3]])
    model.may_run.set()
    engine.close(drain_s=PATIENCE_S)
    # two for the first, and at most the one in which the second was given up, of thirteen
    assert engine.stats().num_steps <= 3
