"""A model shared out over devices says what it says whole."""

import threading
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from generation.engine.attention import PackedContext
from generation.engine.engine import Engine, EngineSettings
from generation.engine.errors import UnsupportedModelError
from generation.engine.generation import GenerationFailedError
from generation.engine.model import Transformer
from generation.engine.parallel_steps import Leader, Team, decode, encode
from generation.engine.params import SamplingParams
from generation.engine.runner import Chunk
from generation.engine.tensor_parallel import Share, share_config, take_share
from tests.ports import free_port
from tests.unit.generation.engine.fakes import FAMILIES
from tests.unit.generation.engine.tiny import tiny_config, tiny_transformer

TOKENS = [5, 17, 3, 90, 41, 5, 17, 8, 66, 2, 31, 77]
SHAPES: dict[str, dict[str, Any]] = {
    **FAMILIES,
    "biased": {"qkv_bias": True, "out_bias": True, "ff_bias": True},
    "own head": {"tie_embeddings": False},
    "one key head": {"num_kv_heads": 1},
}


class ThreadedSums:
    """Threads stand for devices: each waits for the others' parts, then takes the sum."""

    def __init__(self, size: int) -> None:
        self._parts: list[Tensor] = []
        self._lock = threading.Lock()
        self._barrier = threading.Barrier(size, timeout=60)

    def __call__(self, tensor: Tensor) -> None:
        with self._lock:
            self._parts.append(tensor.clone())
        self._barrier.wait()
        total = torch.stack(self._parts).sum(0)
        if self._barrier.wait() == 0:
            self._parts.clear()
        self._barrier.wait()
        tensor.copy_(total)


@torch.inference_mode()
def compute(model: Transformer) -> Tensor:
    ids, positions = torch.tensor(TOKENS), torch.arange(len(TOKENS))
    return model.logits(model(ids, positions, PackedContext([len(TOKENS)])))


def compute_shared(whole: Transformer, size: int) -> list[Tensor]:
    add_up = ThreadedSums(size)
    found: list[Tensor] = [torch.empty(0)] * size

    def run(rank: int) -> None:
        found[rank] = compute(take_share(whole, Share(rank, size), add_up))

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("shape", SHAPES)
def test_shares_together_have_the_logits_of_the_whole(shape: str, size: int) -> None:
    whole = tiny_transformer(**SHAPES[shape])
    for found in compute_shared(whole, size):
        torch.testing.assert_close(found, compute(whole), rtol=1e-5, atol=1e-4)


def test_the_whole_model_is_left_as_it_was() -> None:
    whole = tiny_transformer()
    before = compute(whole)
    compute_shared(whole, 2)
    assert torch.equal(compute(whole), before)


def test_a_share_is_that_much_smaller() -> None:
    config = share_config(tiny_config(), Share(1, 2))
    assert (config.num_heads, config.num_kv_heads, config.d_ff) == (2, 1, 48)


@pytest.mark.parametrize(
    ("changes", "size", "message"),
    [
        ({}, 3, "4 heads and a feed-forward of 96 cannot be shared equally by 3 devices"),
        ({"num_heads": 12, "num_kv_heads": 3}, 2, "3 key heads can neither be shared equally by 2"),
    ],
)
def test_what_cannot_be_shared_equally_is_refused(
    changes: dict[str, int], size: int, message: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=message):
        share_config(tiny_config(**changes), Share(0, size))


@pytest.mark.parametrize("num_tokens", [1, 5000])
def test_a_batch_arrives_as_it_was_sent(num_tokens: int) -> None:
    chunks = [
        Chunk(list(range(num_tokens)), 3, [7, 1], first_row=0, copies=[(2, 7), (3, 1)]),
        Chunk([4], 0, [2], first_row=1, copies=[]),
    ]
    assert decode(encode(chunks)) == chunks


def test_a_lost_follower_ends_requests_with_an_error() -> None:
    load = partial(tiny_transformer, max_positions=160)
    with Leader(load, Team(size=2, port=free_port(), device_type="cpu")) as leader:
        engine = Engine(leader.model, build_runner=leader.build_runner)
        assert len(list(engine.generate(TOKENS, SamplingParams(max_tokens=3)))) == 3
        leader._followers[0].kill()
        leader._followers[0].join()
        with pytest.raises(GenerationFailedError):
            list(engine.generate(TOKENS, SamplingParams(max_tokens=3)))
        engine.close()


def test_an_engine_over_two_processes_says_what_one_says() -> None:
    load = partial(tiny_transformer, max_positions=2600)
    settings = EngineSettings(max_batch_tokens=2500)
    prompts = [TOKENS, TOKENS[4:], TOKENS * 180]  # the last is sent in two parts
    params = SamplingParams(max_tokens=12)

    def ask(engine: Engine) -> list[list[int]]:
        asked = [engine.generate(prompt, params) for prompt in prompts]
        return [list(generation) for generation in asked]

    alone = Engine(load(), settings)
    expected = ask(alone)
    alone.close()
    with Leader(load, Team(size=2, port=free_port(), device_type="cpu")) as leader:
        engine = Engine(leader.model, settings, build_runner=leader.build_runner)
        found = ask(engine)
        engine.close()
    assert found == expected
