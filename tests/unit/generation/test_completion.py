"""Text over a fake engine: whole characters, stop strings, formats, ends, and leaving early."""

import asyncio
import time
from contextlib import aclosing

import pytest

from generation.async_reader import AsyncReader
from generation.completion import (
    CompletionRequest,
    Ended,
    Reader,
    TextEvent,
    TokenIds,
)
from generation.engine.errors import EngineBusyError, PromptTooLongError
from generation.engine.params import SamplingParams
from generation.engine.sequence import FinishReason
from generation.errors import InvalidCompletionError
from generation.output_format import Choice
from generation.sample_text import Piece
from generation.types import Message
from tests.fakes_engine import END, START, FakeEngine


def read(engine: FakeEngine, asked: CompletionRequest) -> list[TextEvent]:
    """Everything that comes of a request."""
    return list(Reader(engine.completer(), asked).events(lambda: False))


def text_of(events: list[TextEvent], sample: int = 0) -> str:
    """The text of one sample."""
    return "".join(
        event.text for event in events if isinstance(event, Piece) and event.sample == sample
    )


def ends_of(events: list[TextEvent]) -> list[Ended]:
    """How the samples ended."""
    return [event for event in events if isinstance(event, Ended)]


def test_pieces_add_up_to_the_text_and_the_end_comes_last() -> None:
    events = read(FakeEngine("Good morning."), CompletionRequest(prompt="Hi"))
    assert text_of(events) == "Good morning."
    assert events[-1] == Ended(0, FinishReason.STOP)
    assert len(ends_of(events)) == 1


def test_a_piece_never_splits_a_character() -> None:
    events = read(FakeEngine("año 👋"), CompletionRequest(prompt="Hi"))
    assert [event.text for event in events if isinstance(event, Piece)] == [*"año 👋"]


def test_a_character_that_was_cut_off_is_flushed_as_a_mark() -> None:
    events = read(FakeEngine("ñ"), CompletionRequest(prompt="Hi", max_tokens=1))
    assert text_of(events) == "\ufffd"
    assert ends_of(events) == [Ended(0, FinishReason.LENGTH)]


def test_a_conversation_goes_through_the_template() -> None:
    engine = FakeEngine()
    read(engine, CompletionRequest(prompt=[Message("user", "Hi <|end|>")]))
    ids = engine.requests[0].prompt_ids
    assert [token for token in ids if token in (END, START)] == [START, END, START]


def test_tokens_go_to_the_engine_as_they_are() -> None:
    engine = FakeEngine()
    read(engine, CompletionRequest(prompt=TokenIds((5, 6, 7))))
    assert engine.requests[0].prompt_ids == (5, 6, 7)


@pytest.mark.parametrize("stop", ["lo, w", "lo,", "l"])
def test_a_stop_string_ends_the_text_and_is_no_part_of_it(stop: str) -> None:
    events = read(FakeEngine("Hello, world!"), CompletionRequest(prompt="Hi", stop=(stop,)))
    assert text_of(events) == "Hello, world!".partition(stop)[0]
    assert ends_of(events) == [Ended(0, FinishReason.STOP)]


def test_what_only_looked_like_a_stop_string_is_given_in_the_end() -> None:
    events = read(FakeEngine("Hello, wor"), CompletionRequest(prompt="Hi", stop=("world",)))
    assert text_of(events) == "Hello, wor"


def test_a_stop_string_ends_the_work() -> None:
    engine = FakeEngine("ab" + "c" * 2000, pause_s=0.005)
    read(engine, CompletionRequest(prompt="Hi", stop=("b",)))
    assert eventually_idle(engine)
    assert engine.num_computed < 2000


def test_a_stop_string_of_one_sample_leaves_the_others_alone() -> None:
    asked = CompletionRequest(prompt="Hi", stop=("wor",), num_samples=3)
    events = read(FakeEngine("Hello, world!"), asked)
    assert [text_of(events, sample) for sample in range(3)] == ["Hello, "] * 3
    assert sorted(end.sample for end in ends_of(events)) == [0, 1, 2]


def test_the_logprobs_of_a_stop_string_are_dropped_with_it() -> None:
    asked = CompletionRequest(
        prompt="Hi", stop=("lo",), params=SamplingParams(num_logprobs=2), max_tokens=20
    )
    events = read(FakeEngine("Hello"), asked)
    tokens = [token for event in events if isinstance(event, Piece) for token in event.tokens]
    assert b"".join(token.data for token in tokens) == b"Hel"
    assert [other.data for other in tokens[0].alternatives] == [b"<|end|>", b"<|start|>"]


def test_logprobs_hold_the_bytes_of_parts_of_characters() -> None:
    asked = CompletionRequest(prompt="Hi", params=SamplingParams(num_logprobs=0))
    events = read(FakeEngine("ñ"), asked)
    (piece,) = [event for event in events if isinstance(event, Piece)]
    assert piece.text == "ñ"
    assert [token.data for token in piece.tokens] == [b"\xc3", b"\xb1"]


def test_a_choice_is_never_cut_by_max_tokens() -> None:
    asked = CompletionRequest(prompt="Hi", output=Choice(("yes indeed",)), max_tokens=2)
    assert text_of(read(FakeEngine(), asked)) == "yes indeed"


def test_usage_counts_the_prompt_once_and_every_sample() -> None:
    reader = Reader(FakeEngine("four").completer(), CompletionRequest(prompt="abc", num_samples=2))
    list(reader.events(lambda: False))
    assert (reader.usage.prompt_tokens, reader.usage.completion_tokens) == (3, 8)
    assert reader.usage.cached_tokens == 3


def test_without_a_limit_the_window_is_filled() -> None:
    engine = FakeEngine()
    read(engine, CompletionRequest(prompt="Hi"))
    assert engine.requests[0].params.max_tokens == engine.max_context


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        (CompletionRequest(prompt="Hi", num_samples=10**6), "n"),
        (CompletionRequest(prompt="Hi", num_samples=0), "n"),
        (CompletionRequest(prompt="Hi", max_tokens=0), "max_tokens"),
        (CompletionRequest(prompt="Hi", stop=("x" * 10_000,)), "stop"),
        (CompletionRequest(prompt="Hi", stop=("",)), "stop"),
        (CompletionRequest(prompt="Hi", stop=("x",) * 17), "stop"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(asked: CompletionRequest, param: str) -> None:
    with pytest.raises(InvalidCompletionError) as caught:
        read(FakeEngine(), asked)
    assert caught.value.param == param


def test_an_engine_that_fails_is_told() -> None:
    engine = FakeEngine("Hello")
    engine.error = "out of memory"
    events = read(engine, CompletionRequest(prompt="Hi"))
    assert ends_of(events) == [Ended(0, FinishReason.ERROR, "out of memory")]


def test_a_reader_that_stops_early_ends_the_work() -> None:
    engine = FakeEngine("x" * 4000, pause_s=0.001)
    events = Reader(engine.completer(), CompletionRequest(prompt="Hi")).events(lambda: False)
    next(events)
    events.close()
    assert eventually_idle(engine)
    assert engine.num_computed < 4000


def test_a_cancelled_reader_ends_while_the_prompt_is_read() -> None:
    engine = FakeEngine()
    engine.hangs = True
    reader = Reader(engine.completer(), CompletionRequest(prompt="Hi"))
    assert list(reader.events(lambda: True)) == [Ended(0, FinishReason.CANCELLED)]


def test_whoever_waits_hears_how_many_are_before_and_when_its_turn_has_come() -> None:
    engine = FakeEngine("Hi")
    engine.hangs, engine.num_before = True, 2
    told: list[int | None] = []

    def on_wait(num_before: int | None) -> None:
        told.append(num_before)
        engine.move_up(num_before)

    reader = Reader(engine.completer(), CompletionRequest(prompt="Hi"))
    assert text_of(list(reader.events(lambda: False, on_wait=on_wait))) == "Hi"
    assert told == [2, 1, 0, None]


def eventually_idle(engine: FakeEngine) -> bool:
    """Whether the engine comes to rest."""
    deadline = time.monotonic() + 60
    while engine.num_running and time.monotonic() < deadline:
        time.sleep(0.005)
    return engine.num_running == 0


async def _read_async(engine: FakeEngine, *prompts: str, num_samples: int = 1) -> list[TextEvent]:
    completer = engine.completer()
    asked = [CompletionRequest(prompt=prompt, num_samples=num_samples) for prompt in prompts]
    reader = AsyncReader(completer, [completer.prepare(item) for item in asked])
    return [event async for event in reader.events()]


def test_an_event_loop_reads_the_same_text() -> None:
    events = asyncio.run(_read_async(FakeEngine("Grüße"), "Hi"))
    assert text_of(events) == "Grüße"
    assert events[-1] == Ended(0, FinishReason.STOP)


def test_what_waits_for_a_slow_reader_is_given_together() -> None:
    engine = FakeEngine("Grüße, " * 100)

    async def read_late() -> list[tuple[TextEvent, ...]]:
        completer = engine.completer()
        asked = CompletionRequest(prompt="Hi", num_samples=2)
        reader = AsyncReader(completer, [completer.prepare(asked)])
        await asyncio.to_thread(eventually_idle, engine)
        return [batch async for batch in reader.batches()]

    batches = asyncio.run(read_late())
    events = [event for batch in batches for event in batch]
    assert len(events) <= 8
    assert [text_of(events, sample) for sample in range(2)] == ["Grüße, " * 100] * 2
    assert len(ends_of(events)) == 2


def test_a_quiet_completion_says_that_nothing_came() -> None:
    engine = FakeEngine()
    engine.hangs = True

    async def wait() -> tuple[TextEvent, ...]:
        completer = engine.completer()
        reader = AsyncReader(completer, [completer.prepare(CompletionRequest(prompt="Hi"))])
        async with aclosing(reader.batches(idle_s=0.01)) as batches:
            return await anext(batches)

    assert asyncio.run(wait()) == ()
    assert eventually_idle(engine)


def test_samples_of_several_prompts_are_numbered_through() -> None:
    events = asyncio.run(_read_async(FakeEngine("Hi"), "a", "b", num_samples=2))
    assert [text_of(events, sample) for sample in range(4)] == ["Hi"] * 4
    assert sorted(end.sample for end in ends_of(events)) == [0, 1, 2, 3]


def test_a_loop_that_is_cancelled_ends_the_work() -> None:
    engine = FakeEngine("x" * 4000, pause_s=0.002)

    async def leave_early() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await _read_async(engine, "Hi")

    asyncio.run(leave_early())
    assert eventually_idle(engine)
    assert engine.num_computed < 4000


def test_a_loop_that_has_ended_does_not_hurt_the_engine() -> None:
    engine = FakeEngine("x" * 50, pause_s=0.01)

    async def forget() -> None:
        completer = engine.completer()
        AsyncReader(completer, [completer.prepare(CompletionRequest(prompt="Hi"))])

    asyncio.run(forget())
    assert eventually_idle(engine)
    assert engine.num_computed == 50


def test_where_one_prompt_of_several_is_refused_the_others_are_ended() -> None:
    engine = FakeEngine(pause_s=5, max_waiting=1)
    with pytest.raises(EngineBusyError):
        asyncio.run(_read_async(engine, "a", "b"))
    assert eventually_idle(engine)


def test_a_prompt_that_does_not_fit_is_refused_with_both_numbers() -> None:
    with pytest.raises(PromptTooLongError, match=r"60 tokens .* at most 31"):
        read(FakeEngine(max_context=32), CompletionRequest(prompt="x" * 60))
