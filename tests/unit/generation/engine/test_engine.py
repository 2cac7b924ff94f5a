"""The engine on its thread: what it takes and refuses, who hears what, and how it closes."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from generation.engine.engine import MAX_SAMPLES, Engine, EngineSettings
from generation.engine.errors import (
    EngineBusyError,
    EngineClosedError,
    InvalidPromptError,
    PromptTooLongError,
    SamplingParamsError,
)
from generation.engine.events import Event, Finished
from generation.engine.generation import GenerationFailedError
from generation.engine.params import SamplingParams
from generation.engine.sequence import Deadlines, FinishReason, Request
from tests.unit.generation.engine.fakes import (
    PATIENCE_S,
    Ears,
    HeldModel,
    RecallModel,
    Script,
    ask,
    uncached,
)
from tests.unit.generation.engine.tiny import ScriptedModel

PROMPT = [5, 17, 3, 90, 41, 5, 17, 8, 66, 2, 31, 77, 5, 17, 3, 90, 9, 30, 41, 5, 17]


class Line(Ears):
    """Ears that can be waited for. A listener's own mistakes are kept for the test."""

    def __init__(self, num_samples: int = 1) -> None:
        super().__init__()
        self.has_begun = threading.Event()
        self.has_ended = threading.Event()
        self.mistakes: list[AssertionError] = []
        self._num_samples = num_samples

    def __call__(self, event: Event) -> None:
        try:
            super().__call__(event)
        except AssertionError as mistake:
            self.mistakes.append(mistake)
        self.has_begun.set()
        if len(self.ends) == self._num_samples:
            self.has_ended.set()

    def wait(self) -> None:
        assert self.has_ended.wait(PATIENCE_S), "a sample has no end"
        assert not self.mistakes


NewEngine = Callable[..., Engine]


@pytest.fixture
def new_engine() -> Iterator[NewEngine]:
    """Engines that are closed, and proved to hold no page, when the test ends."""
    engines: list[Engine] = []

    def build(model: Any, **settings: Any) -> Engine:
        engines.append(Engine(model, EngineSettings(**{"num_threads": 1, **settings})))
        return engines[-1]

    yield build
    for engine in engines:
        engine.close()
        stats = engine.stats()
        assert (stats.num_running, stats.num_waiting, stats.kv_usage) == (0, 0, 0)


def submit(engine: Engine, request: Request) -> Line:
    line = Line(request.num_samples)
    engine.submit(request, line)
    return line


def now(prompt: list[int], **options: Any) -> Request:
    return ask(prompt, submitted_at=time.monotonic(), **options)


# what it says


def test_a_request_is_answered_as_the_reference_says(new_engine: NewEngine) -> None:
    model = RecallModel()
    request = now(PROMPT, max_tokens=12, temperature=1.0, num_samples=3, seed=4)
    line = submit(new_engine(model), request)
    line.wait()
    assert line.outputs == {n: uncached(model, request, sample=n) for n in range(3)}


def test_many_threads_at_once_each_get_their_own_answer(new_engine: NewEngine) -> None:
    model = RecallModel()
    engine = new_engine(model, max_batch_tokens=64)
    wrong: list[int] = []

    def client(number: int) -> None:
        for turn in range(3):
            request = ask(PROMPT[number:], max_tokens=6 + number, temperature=turn, seed=turn)
            output = list(engine.generate(request.prompt_ids, request.params))
            if output != uncached(RecallModel(), request):
                wrong.append(number)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert not wrong
    assert engine.stats().num_generated_tokens == 3 * sum(range(6, 14))


def test_every_sample_ends_once_whenever_it_is_cancelled(new_engine: NewEngine) -> None:
    model = RecallModel()
    engine = new_engine(model, max_batch_tokens=16, max_sequences=6, kv_bytes=1)  # preempts too
    draw = random.Random(0)  # noqa: S311  # the same requests every time
    lines: list[tuple[Request, Line]] = []
    cancelling: list[threading.Timer] = []
    for number in range(60):
        request = now(
            draw.choices(range(97), k=draw.randint(1, 60)),
            max_tokens=draw.randint(1, 40),
            temperature=number % 2,
            seed=number,
            num_samples=draw.choice([1, 1, 3]),
            tenant=draw.choice(["north", "south"]),
        )
        line = Line(request.num_samples)
        ticket = engine.submit(request, line)
        lines.append((request, line))
        if number % 4:
            cancelling.append(threading.Timer(draw.random() * 0.5, ticket.cancel))
            cancelling[-1].start()
    for timer in cancelling:
        timer.join()
    for request, line in lines:
        line.wait()
        for sample, end in line.ends.items():
            output = line.outputs.get(sample, [])
            expected = uncached(model, request, sample=sample)
            if end.reason is FinishReason.CANCELLED:
                assert output == expected[: len(output)]
            else:
                assert output == expected


# what it refuses


def test_a_prompt_that_does_not_fit_is_refused_with_both_numbers(new_engine: NewEngine) -> None:
    engine = new_engine(RecallModel(), max_context=8)
    with pytest.raises(PromptTooLongError, match="8 tokens and the engine accepts at most 7") as it:
        engine.submit(now([1] * 8), Ears())
    assert (it.value.num_tokens, it.value.max_tokens) == (8, 7)


def test_a_setting_cannot_stretch_the_model(new_engine: NewEngine) -> None:
    assert new_engine(RecallModel(max_positions=32), max_context=99).max_context == 32
    assert new_engine(RecallModel(max_positions=32)).max_context == 32


@pytest.mark.parametrize("prompt", [[], [97], [3, -1]])
def test_a_prompt_outside_the_vocabulary_is_refused(
    new_engine: NewEngine, prompt: list[int]
) -> None:
    with pytest.raises(InvalidPromptError):
        new_engine(RecallModel()).submit(now(prompt), Ears())


@pytest.mark.parametrize("num_samples", [0, -1, MAX_SAMPLES + 1, 10**6])
def test_a_number_of_samples_out_of_range_is_refused(
    new_engine: NewEngine, num_samples: int
) -> None:
    with pytest.raises(InvalidPromptError, match=f"{num_samples} samples .* 1 to {MAX_SAMPLES}"):
        new_engine(RecallModel()).submit(now(PROMPT, num_samples=num_samples), Ears())


def test_a_bias_for_a_token_that_does_not_exist_is_refused(new_engine: NewEngine) -> None:
    with pytest.raises(SamplingParamsError, match="token 97"):
        new_engine(RecallModel()).submit(now(PROMPT, logit_bias={97: 1.0}), Ears())


def test_a_full_queue_refuses_with_numbers_until_there_is_room(new_engine: NewEngine) -> None:
    model = HeldModel()
    engine = new_engine(model, max_sequences=1, max_waiting=2)
    running = submit(engine, now(PROMPT, max_tokens=2))
    assert model.has_begun.wait(PATIENCE_S)
    waiting = [submit(engine, now(PROMPT, max_tokens=2)) for _ in range(2)]
    with pytest.raises(EngineBusyError, match="2 requests are waiting and at most 2 may") as it:
        submit(engine, now(PROMPT))
    assert it.value.retry_after_s > 0
    assert engine.stats().num_waiting == 2
    model.may_run.set()
    for line in (running, *waiting):
        line.wait()
    submit(engine, now(PROMPT, max_tokens=1)).wait()


def test_more_samples_than_may_wait_are_refused(new_engine: NewEngine) -> None:
    engine = new_engine(RecallModel(), max_waiting=2)
    with pytest.raises(InvalidPromptError, match="3 samples"):
        engine.submit(now(PROMPT, num_samples=3), Ears())


# deadlines


def test_deadlines_end_what_waits_and_what_runs(new_engine: NewEngine) -> None:
    model = HeldModel()
    engine = new_engine(model, max_sequences=2)
    kinds = ("total_s", "first_token_s", "queue_s")
    lines = [submit(engine, now(PROMPT, deadlines=Deadlines(**{kind: 0.05}))) for kind in kinds]
    assert model.has_begun.wait(PATIENCE_S)
    time.sleep(0.1)
    model.may_run.set()
    for line in lines:
        line.wait()
    # the one that held the model has its first token, a deadline for which is then met
    assert lines[0].reason is FinishReason.DEADLINE
    assert len(lines[0].output) <= 1
    assert lines[2].end == Finished(0, FinishReason.DEADLINE)


# faults


def test_a_failing_model_ends_what_lives_and_serves_what_comes(
    new_engine: NewEngine, caplog: pytest.LogCaptureFixture
) -> None:
    model = HeldModel()
    model.fails_in = {3}
    engine = new_engine(model)
    lines = [submit(engine, now(PROMPT[n:], max_tokens=9, num_samples=n)) for n in (1, 2, 3)]
    model.may_run.set()
    for line in lines:
        line.wait()
        for end in line.ends.values():
            assert end.reason is FinishReason.ERROR
            assert end.error == "RuntimeError: the accelerator went away"
    assert "an engine step failed" in caplog.text
    request = now(PROMPT, max_tokens=9)
    line = submit(engine, request)
    line.wait()
    assert line.output == uncached(model, request)


def test_a_waiting_caller_hears_of_the_failure(new_engine: NewEngine) -> None:
    engine = new_engine(ScriptedModel(fail_on_call=2))
    with pytest.raises(GenerationFailedError, match="went away"):
        list(engine.generate([1, 2, 3], SamplingParams(max_tokens=5, lookup=False)))
    assert list(engine.generate([1, 2, 3], SamplingParams(max_tokens=2))) == [4, 5]


def test_a_listener_that_always_fails_does_not_stop_the_thread(new_engine: NewEngine) -> None:
    model = RecallModel()
    engine = new_engine(model)
    heard: list[Event] = []

    def deaf(event: Event) -> None:
        heard.append(event)
        raise OSError("the client is gone")

    engine.submit(now(PROMPT, num_samples=2), deaf)
    engine.submit(now(PROMPT, num_samples=2), deaf).cancel()
    request = now(PROMPT, max_tokens=30)
    line = submit(engine, request)
    line.wait()
    assert line.output == uncached(model, request)
    engine.close(drain_s=PATIENCE_S)
    assert sum(isinstance(event, Finished) for event in heard) == 4


# closing


def test_closing_ends_what_runs_waits_and_arrives(new_engine: NewEngine) -> None:
    model = HeldModel()
    engine = new_engine(model, max_sequences=1)
    lines = [submit(engine, now(PROMPT, max_tokens=200)) for _ in range(5)]
    assert model.has_begun.wait(PATIENCE_S)
    lines.append(submit(engine, now(PROMPT)))
    threading.Timer(0.05, model.may_run.set).start()
    engine.close()
    assert all(line.has_ended.is_set() for line in lines)
    assert {line.reason for line in lines} == {FinishReason.CANCELLED}


def test_closing_may_wait_for_answers_to_end(new_engine: NewEngine) -> None:
    model = RecallModel()
    engine = new_engine(model)
    request = now(PROMPT, max_tokens=60)
    line = submit(engine, request)
    engine.close(drain_s=PATIENCE_S)
    assert line.has_ended.is_set()
    assert line.output == uncached(model, request)


def test_closing_waits_no_longer_than_it_was_told(new_engine: NewEngine) -> None:
    model = HeldModel()
    engine = new_engine(model)
    line = submit(engine, now(PROMPT, max_tokens=200))
    assert model.has_begun.wait(PATIENCE_S)
    threading.Timer(0.1, model.may_run.set).start()
    engine.close(drain_s=0.05)
    assert line.reason is FinishReason.CANCELLED


def test_a_closed_engine_takes_nothing_and_can_be_closed_again(new_engine: NewEngine) -> None:
    used, unused = new_engine(RecallModel()), new_engine(RecallModel())
    submit(used, now(PROMPT, max_tokens=1)).wait()
    for engine in (used, unused):
        engine.close()
        engine.close(drain_s=0.1)
        with pytest.raises(EngineClosedError, match="shutting down"):
            engine.submit(now(PROMPT), Ears())


def test_a_ticket_may_be_cancelled_twice_and_after_its_end(new_engine: NewEngine) -> None:
    engine = new_engine(RecallModel())
    line = Line()
    ticket = engine.submit(now(PROMPT, max_tokens=2), line)
    line.wait()
    ticket.cancel()
    engine.close()
    ticket.cancel()
    assert line.reason is FinishReason.LENGTH


def test_one_sample_may_be_cancelled_while_the_others_go_on(new_engine: NewEngine) -> None:
    model = RecallModel()
    request = now(PROMPT, max_tokens=40, num_samples=2)
    line = Line(num_samples=2)
    ticket = new_engine(model).submit(request, line)
    assert line.has_begun.wait(PATIENCE_S)
    ticket.cancel(0)
    line.wait()
    assert line.ends[1].reason is FinishReason.LENGTH
    assert line.outputs[1] == uncached(model, request, sample=1)
    assert line.ends[0].reason in (FinishReason.CANCELLED, FinishReason.LENGTH)


def test_what_was_cancelled_before_it_was_taken_in_costs_nothing(new_engine: NewEngine) -> None:
    model = HeldModel()
    engine = new_engine(model)
    running = submit(engine, now(PROMPT, max_tokens=1))
    assert model.has_begun.wait(PATIENCE_S)
    built: list[Script] = []

    def build() -> Script:
        built.append(Script([7]))
        return built[-1]

    line = Line(num_samples=2)
    engine.submit(now(PROMPT, num_samples=2, build_constraint=build), line).cancel()
    model.may_run.set()
    running.wait()
    line.wait()
    assert {end.reason for end in line.ends.values()} == {FinishReason.CANCELLED}
    assert not built


# figures


def test_stats_tell_the_present_and_the_past(new_engine: NewEngine) -> None:
    model = HeldModel()
    engine = new_engine(model, max_sequences=1)
    assert engine.stats().kv_usage == 0
    lines = [submit(engine, now(PROMPT, max_tokens=3)) for _ in range(3)]
    assert model.has_begun.wait(PATIENCE_S)
    stats = engine.stats()
    assert (stats.num_running, stats.num_waiting) == (1, 2)
    assert stats.kv_usage > 0
    model.may_run.set()
    for line in lines:
        line.wait()
    stats = engine.stats()
    assert (stats.num_prompt_tokens, stats.num_generated_tokens) == (63, 9)
    assert stats.num_reused_tokens == 32
    assert stats.num_threads == 1
