"""The compiled step says what PyTorch says, for every switch of the models that it runs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import pytest
import torch
from torch import Tensor

from generation.engine.adapters import Adapter, LowRank
from generation.engine.config import RopeScaling
from generation.engine.engine import Engine, EngineSettings
from generation.engine.errors import ContextOverflowError
from generation.engine.model import Transformer
from generation.engine.native.library import Library
from generation.engine.native.runner import NativeRunner, can_run
from generation.engine.pages import PAGE_SIZE
from generation.engine.params import SamplingParams
from generation.engine.row_adapters import prepare_adapter
from generation.engine.runner import Chunk, Runner
from tests.unit.generation.engine.native.models import build_pair
from tests.unit.generation.engine.tiny import tiny_transformer

NUM_PAGES: Final = 12
TEXT: Final = tuple((7 * place + place * place) % 97 for place in range(60))
SWITCHES: Final[dict[str, dict[str, Any]]] = {
    "llama": {},
    "llama, tied": {"tie_embeddings": True},
    "llama, one group": {"num_kv_heads": 4},
    "llama, three to a head": {"num_heads": 6, "num_kv_heads": 2, "head_dim": 32},
    "llama, five to a head": {"num_heads": 5, "num_kv_heads": 1, "head_dim": 32},
    "llama, wide heads": {"num_heads": 3, "num_kv_heads": 1, "head_dim": 96},
    "llama, biased": {"qkv_bias": True, "out_bias": True, "ff_bias": True},
    "llama, linear": {"rope_scaling": RopeScaling(kind="linear", factor=4.0)},
    "smollm3": {"unrotated_layers": frozenset({1})},
    "mistral": {"sliding_window": 5, "sliding_layers": frozenset({0, 1, 2})},
    "wide window": {"sliding_window": 19, "sliding_layers": frozenset({1})},
    "qwen3": {"qk_norm": True},
    "gemma3": {
        "activation": "gelu_tanh",
        "qk_norm": True,
        "sandwich_norms": True,
        "embedding_scale": 8.0,
        "attention_scale": 0.3,
        "sliding_window": 5,
        "sliding_layers": frozenset({0, 2}),
        "local_rope_theta": 100.0,
        "head_dim": 32,
    },
}


def new(kind: type[Runner], model: Transformer) -> Runner:
    return kind(model, num_pages=NUM_PAGES, page_size=PAGE_SIZE)


def logits_of(runner: Runner, batches: Sequence[Sequence[Chunk]]) -> Tensor:
    with torch.inference_mode():
        return torch.cat([runner.logits(runner.run(batch)) for batch in batches])


def one_text() -> list[list[Chunk]]:
    """A prompt that PyTorch computes, then steps of one and of several tokens; pages anywhere."""
    pages = [9, 2, 11, 0]
    batches, start = [[Chunk(TEXT[:20], 0, pages, 17)]], 20
    for size in (1, 1, 4, 16, 1, 8, 9):
        batches.append([Chunk(TEXT[start : start + size], start, pages, 0)])
        start += size
    assert start == len(TEXT)
    return batches


def several_texts() -> list[list[Chunk]]:
    """Texts of different lengths in one step, one of them with guesses, another just begun."""
    pages = ([1, 5], [4, 8, 3], [7])
    return [
        [Chunk(TEXT[:19], 0, pages[0], 19), Chunk(TEXT[5:45], 0, pages[1], 40)],
        [
            Chunk(TEXT[19:20], 19, pages[0], 0),
            Chunk(TEXT[45:48], 40, pages[1], 1),
            Chunk(TEXT[30:36], 0, pages[2], 5),
        ],
        [
            Chunk(TEXT[20:22], 20, pages[0], 0),
            Chunk(TEXT[48:49], 43, pages[1], 0),
            Chunk(TEXT[36:37], 6, pages[2], 0),
        ],
    ]


@pytest.mark.parametrize("batches", [one_text(), several_texts()], ids=["one", "several"])
@pytest.mark.parametrize("family", SWITCHES)
def test_the_step_says_what_pytorch_says(
    library: Library, family: str, batches: list[list[Chunk]]
) -> None:
    packed, dense = build_pair(library, bits=8, **SWITCHES[family])
    assert can_run(packed, page_size=PAGE_SIZE)
    found = logits_of(new(NativeRunner, packed), batches)
    expected = logits_of(new(Runner, dense), batches)
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_four_bits_round_what_they_multiply_and_nothing_else(library: Library, family: str) -> None:
    packed, dense = build_pair(library, bits=4, **SWITCHES[family])
    found = logits_of(new(NativeRunner, packed), one_text())
    expected = logits_of(new(Runner, dense), one_text())
    assert (found - expected).norm() <= 0.02 * expected.norm()


@pytest.mark.parametrize("head_dim", [16, 32, 64, 80, 96, 128, 256])
def test_a_cache_in_bfloat16_loses_no_more_than_with_pytorch(
    library: Library, head_dim: int
) -> None:
    packed, dense = build_pair(library, bits=8, head_dim=head_dim)
    exact = logits_of(new(Runner, dense), one_text())
    # last: the two share what they can
    native = logits_of(new(NativeRunner, packed.to(torch.bfloat16)), one_text())
    eager = logits_of(new(Runner, dense.to(torch.bfloat16)), one_text())
    assert (native - exact).norm() <= 1.1 * (eager - exact).norm()


@pytest.mark.parametrize("num_threads", [2, 3])
def test_more_threads_compute_the_same(library: Library, num_threads: int) -> None:
    packed, _ = build_pair(library, bits=8)
    alone = logits_of(new(NativeRunner, packed), several_texts())
    torch.set_num_threads(num_threads)
    together = logits_of(new(NativeRunner, packed), several_texts())
    torch.set_num_threads(1)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_rows_with_adapters_get_theirs_between_steps_without(library: Library) -> None:
    packed, dense = build_pair(library, bits=8)
    factors = {
        f"blocks.{layer}.{name}.weight": LowRank(
            torch.randn(2, num_in, generator=torch.Generator().manual_seed(layer)) / 8,
            torch.ones(num_out, 2),
        )
        for layer in range(3)
        for name, num_in, num_out in (("attention.qkv", 64, 128), ("feed_forward.down", 96, 64))
    }
    drawn = Adapter(factors, scale=0.5, base_sha256="b" * 64, prompt="direct@1")

    def batches(model: Transformer) -> list[list[Chunk]]:
        adapter = prepare_adapter(drawn, model, sha256="a" * 64)
        first, *others = several_texts()
        return [[replace(batch[0], adapter=adapter), *batch[1:]] for batch in (first, *others)]

    found = logits_of(new(NativeRunner, packed), [*batches(packed), *one_text()])
    expected = logits_of(new(Runner, dense), [*batches(dense), *one_text()])
    plain = logits_of(new(Runner, dense), [*several_texts(), *one_text()])
    # a step with adapters is PyTorch's, which rounds what enters a packed product to bfloat16
    assert (found - expected).norm() <= 0.02 * expected.norm()
    assert (plain - expected).norm() > 0.1 * expected.norm()


def test_likelihoods_are_those_of_pytorch(library: Library) -> None:
    packed, dense = build_pair(library, bits=8)
    chunk = [Chunk(TEXT[:12], 0, [3], 0)]
    with torch.inference_mode():
        native, eager = new(NativeRunner, packed), new(Runner, dense)
        found = native.log_likelihoods(native.run(chunk), TEXT[1:13])
        expected = eager.log_likelihoods(eager.run(chunk), TEXT[1:13])
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=1e-4)


def test_tokens_without_a_page_are_refused(library: Library) -> None:
    packed, _ = build_pair(library, bits=8)
    with pytest.raises(ContextOverflowError, match="do not fit into 1 pages"):
        new(NativeRunner, packed).run([Chunk(TEXT[:2], PAGE_SIZE - 1, [0], 0)])


def test_an_engine_writes_the_same_text_with_it(library: Library) -> None:
    """Greedily, with guesses, several at once, past a preempted one: token for token."""
    packed, dense = build_pair(library, bits=8)

    def texts(model: Transformer) -> list[list[int]]:
        # so few pages that the three do not fit at once
        engine = Engine(model, EngineSettings(kv_bytes=1, max_context=64, num_threads=1))
        params = SamplingParams(max_tokens=24)
        streams = [engine.generate(TEXT[:end], params) for end in (9, 20, 33)]
        found = [list(stream) for stream in streams]
        engine.close()
        return found

    assert texts(packed) == texts(dense)


@pytest.mark.parametrize(
    "changes",
    [{"norm": "layer", "gated": False, "positions": "learned", "activation": "gelu_tanh"}, {}],
    ids=["gpt2", "nothing packed"],
)
def test_other_models_are_left_to_pytorch(changes: dict[str, Any]) -> None:
    assert not can_run(tiny_transformer(**changes), page_size=PAGE_SIZE)
