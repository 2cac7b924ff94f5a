"""On a card's runner the engine says what it says on the CPU's, recorded steps or not."""

import pytest
import torch

from generation.engine.adapters import Adapter, LowRank
from generation.engine.cuda.backends import GatheredAttention
from generation.engine.row_adapters import prepare_adapter
from generation.engine.runner import BatchRunner, Chunk, Runner
from tests.unit.generation.engine.cuda.stand_ins import (
    CountingRecorder,
    device_loop,
    device_runner,
)
from tests.unit.generation.engine.fakes import FAMILIES, Loop, RecallModel, ask
from tests.unit.generation.engine.tiny import tiny_transformer

PROMPT = [5, 17, 3, 90, 41, 5, 17, 8, 66, 2, 31, 77, 5, 17, 3, 90, 9, 30, 41, 5, 17]
REQUESTS = [
    ask(PROMPT[: 3 + 2 * n], max_tokens=4 + 3 * n, temperature=0.8 * (n % 2), seed=n)
    for n in range(9)
]


def outputs(loop: Loop) -> list[list[int]]:
    return [ears.output for ears in loop.ask_all(REQUESTS)]


@pytest.mark.parametrize("record", [CountingRecorder(), None], ids=["recorded", "plain"])
@pytest.mark.parametrize("family", FAMILIES)
@torch.inference_mode()
def test_every_family_has_the_hidden_states_of_the_cpus_runner(
    family: str, record: CountingRecorder | None
) -> None:
    model = tiny_transformer(**FAMILIES[family])
    runners: list[BatchRunner] = [
        Runner(model, num_pages=8, page_size=16),
        device_runner(model, record=record),
    ]
    steps = [
        [Chunk(PROMPT[:20], 0, [5, 2], first_row=19), Chunk(PROMPT[:7], 0, [4], first_row=0)],
        [Chunk(PROMPT[20:21], 20, [5, 2], first_row=0), Chunk(PROMPT[7:8], 7, [4], first_row=0)],
        [Chunk(PROMPT[:4], 21, [5, 2], first_row=0), Chunk(PROMPT[:1], 8, [4], first_row=0)],
    ]
    for step in steps:
        right, found = (runner.run(step) for runner in runners)
        torch.testing.assert_close(found, right, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lookup", [True, False])
def test_recorded_steps_say_what_unrecorded_ones_say(*, lookup: bool) -> None:
    model = RecallModel()  # one wrong page, slot or length and it says something else
    recorder = CountingRecorder()
    runner = device_runner(model, record=recorder)
    recorded = device_loop(model, runner, lookup=lookup, max_sequences=6)
    plain = device_loop(model, device_runner(model, record=None), lookup=lookup, max_sequences=6)
    assert outputs(recorded) == outputs(plain) == outputs(Loop(model))
    assert recorder.num_replays > 0.5 * recorded.core.counters.num_steps


def test_nothing_is_recorded_once_the_work_has_begun() -> None:
    model = RecallModel()
    recorder = CountingRecorder()
    loop = device_loop(model, device_runner(model, record=recorder), max_sequences=6)
    num_recorded = recorder.num_recorded
    outputs(loop)
    assert recorder.num_recorded == num_recorded > 0


def test_scattered_pages_and_preemption_change_nothing() -> None:
    model = RecallModel()
    runner = device_runner(model, record=CountingRecorder(), num_pages=16)
    loop = device_loop(model, runner, num_pages=16, max_sequences=8, max_batch_tokens=16)
    loop.scatter_pages()
    assert outputs(loop) == outputs(Loop(model))


def test_padding_touches_no_page_that_a_sequence_could_own() -> None:
    model = tiny_transformer()
    runner = device_runner(model, record=CountingRecorder(), num_pages=4)
    runner.run([Chunk(PROMPT[:1], 0, [0], first_row=0) for _ in range(3)])  # padded to 4
    kept = runner._pages.keys[0]
    assert kept[0, 0].any()
    assert not kept[1:4].any()
    assert kept[4, 0].any()


def test_an_attention_that_cannot_be_recorded_is_run_as_it_comes() -> None:
    recorder = CountingRecorder()
    model = RecallModel()
    runner = device_runner(model, record=recorder, attention=GatheredAttention())
    assert outputs(device_loop(model, runner)) == outputs(Loop(model))
    assert recorder.num_recorded == 0


def test_pages_are_copied_before_they_are_read() -> None:
    model = RecallModel()
    runner = device_runner(model, record=CountingRecorder())
    runner.run([Chunk(PROMPT[:16], 0, [3], first_row=16)])
    hidden = runner.run([Chunk(PROMPT[16:17], 16, [8, 9], first_row=0, copies=[(3, 8)])])
    assert torch.equal(model.logits(hidden), model.remember(PROMPT[:17]))


def test_what_is_likely_is_the_same_as_on_the_cpu() -> None:
    model = tiny_transformer()
    chunk = Chunk(PROMPT[:9], 0, [1], first_row=3)
    runners: list[BatchRunner] = [
        Runner(model, num_pages=4, page_size=16),
        device_runner(model, record=None),
    ]
    found = [r.log_likelihoods(r.run([chunk]), PROMPT[4:10]) for r in runners]
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_a_batch_with_adapters_is_computed_as_it_comes() -> None:
    """What is recorded has no adapter's products."""
    model = tiny_transformer()
    recorder = CountingRecorder()
    runner = device_runner(model, record=recorder)
    factors = {"blocks.1.attention.qkv.weight": LowRank(torch.ones(2, 64), torch.ones(128, 2))}
    drawn = Adapter(factors, scale=0.1, base_sha256="b" * 64, prompt="direct@1")
    adapter = prepare_adapter(drawn, model, sha256="a" * 64)
    step = [
        Chunk(PROMPT[:1], 0, [5], first_row=0, adapter=adapter),
        Chunk(PROMPT[:1], 0, [2], first_row=0),
    ]
    right = Runner(model, num_pages=8, page_size=16).run(step)
    torch.testing.assert_close(runner.run(step), right, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(right[0], right[1])
    assert recorder.num_replays == 0
