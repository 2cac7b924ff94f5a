"""However the work is done on a card, it is the work that was asked for."""

import random
from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest
import torch
from torch import Tensor

from generation.engine.attention import PackedContext
from generation.engine.config import ModelConfig
from generation.engine.cuda.backends import GatheredAttention, PagedAttention
from generation.engine.cuda.graphs import CudaRecorder
from generation.engine.cuda.int8 import CudaInt8, pack_int8
from generation.engine.cuda.pages import DeviceContext
from generation.engine.cuda.probe import build_varlen, choose_attention, default_builders
from generation.engine.cuda.runner import DeviceRunner
from generation.engine.engine import Engine, EngineSettings
from generation.engine.model import Transformer
from generation.engine.packing import quantise_int8
from generation.engine.params import SamplingParams
from generation.engine.runner import Chunk, RunnerSizes

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA card and torch's CUDA build"
)

DEVICE: Final = torch.device("cuda")
SIZES: Final = RunnerSizes(num_pages=64, page_size=16, max_context=256, max_sequences=8)
FAMILIES: Final[dict[str, dict[str, Any]]] = {
    "llama": {},
    "gemma": {
        "activation": "gelu_tanh",
        "qk_norm": True,
        "sandwich_norms": True,
        "embedding_scale": 8.0,
        "sliding_window": 20,
        "sliding_layers": frozenset({0, 2}),
        "local_rope_theta": 100.0,
        "num_kv_heads": 1,
        "head_dim": 256,
    },
    "gpt2": {
        "norm": "layer",
        "gated": False,
        "qkv_bias": True,
        "out_bias": True,
        "ff_bias": True,
        "positions": "learned",
        "num_kv_heads": 4,
    },
    "wide heads": {"head_dim": 128, "num_heads": 6, "num_kv_heads": 2},
}
DRAW: Final = random.Random(0)  # noqa: S311  # the same prompts every time
PROMPTS: Final = [[DRAW.randrange(97) for _ in range(length)] for length in (60, 3, 17, 33, 48)]
# says the same again, so that guesses hold
REPEATING: Final = [*PROMPTS[2], *PROMPTS[2], *PROMPTS[2]]


def build_model(dtype: torch.dtype = torch.float32, **changes: Any) -> Transformer:
    sizes: dict[str, Any] = {
        "vocab_size": 97,
        "d_model": 64,
        "num_layers": 3,
        "num_heads": 4,
        "num_kv_heads": 2,
        "head_dim": 64,
        "d_ff": 96,
        "norm_eps": 1e-5,
        "max_positions": 256,
        "tie_embeddings": True,
        **changes,
    }
    model = Transformer(ModelConfig(**sizes)).eval().requires_grad_(requires_grad=False)
    model.init_weights(seed=0, std=0.3 if dtype is torch.float32 else 0.1)
    return model.to(DEVICE, dtype)


def build_attention(name: str) -> PagedAttention:
    builders: dict[str, Callable[[], PagedAttention]] = {
        "gathered": GatheredAttention,
        **default_builders(DEVICE),
    }
    if name == "varlen":
        try:
            return build_varlen()
        except (ImportError, RuntimeError) as error:
            pytest.skip(f"no FlashAttention 3: {error}")
    return builders[name]()


@torch.inference_mode()
def packed_logits(model: Transformer, tokens: Sequence[int]) -> Tensor:
    ids, positions = torch.tensor(tokens, device=DEVICE), torch.arange(len(tokens), device=DEVICE)
    return model.logits(model(ids, positions, PackedContext([len(tokens)])))


@torch.inference_mode()
def paged_logits(model: Transformer, runner: DeviceRunner, *, prompt: int) -> list[Tensor]:
    """Of every prompt: its first tokens in one mixed batch, the others one at a time, together."""
    pages = [range(8 * row, 8 * row + 8)[::-1] for row in range(len(PROMPTS))]
    firsts = [tokens[:prompt] for tokens in PROMPTS]
    started = [Chunk(ids, 0, own, 0) for ids, own in zip(firsts, pages, strict=True)]
    hidden = runner.run(started).clone()
    parts = list(torch.split(hidden, [len(ids) for ids in firsts]))
    for at in range(prompt, max(map(len, PROMPTS))):
        rows = [row for row, tokens in enumerate(PROMPTS) if at < len(tokens)]
        hidden = runner.run([Chunk(PROMPTS[row][at : at + 1], at, pages[row], 0) for row in rows])
        for row, found in zip(rows, hidden, strict=True):
            parts[row] = torch.cat((parts[row], found[None]))
    return [model.logits(part) for part in parts]


@pytest.mark.parametrize("recorded", ["recorded", "as they come"])
@pytest.mark.parametrize("attention", ["gathered", "triton", "varlen"])
@pytest.mark.parametrize("family", FAMILIES)
def test_steps_over_pages_have_the_logits_of_whole_sequences(
    family: str, attention: str, recorded: str
) -> None:
    # flash attention knows no float32
    dtype = torch.bfloat16 if attention == "varlen" else torch.float32
    model = build_model(dtype, **FAMILIES[family])
    runner = DeviceRunner(
        model,
        SIZES,
        attention=build_attention(attention),
        record=CudaRecorder(DEVICE) if recorded == "recorded" else None,
    )
    tolerance = 0.15 if dtype is torch.bfloat16 else 2e-3
    for found, tokens in zip(paged_logits(model, runner, prompt=20), PROMPTS, strict=True):
        right = packed_logits(model, tokens)
        torch.testing.assert_close(found, right, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_probe_finds_no_way_wrong(family: str) -> None:
    for dtype in (torch.bfloat16, torch.float32):
        model = build_model(dtype, **FAMILIES[family])
        best, verdicts = choose_attention(
            model, default_builders(DEVICE), CudaRecorder(DEVICE), page_size=16
        )
        errors = [verdict.error or "" for verdict in verdicts]
        assert not any("differs" in error for error in errors), errors
        assert best.name in ("triton", "varlen"), errors


def answers(
    model: Transformer, prompts: Sequence[Sequence[int]], *, at_once: int = 8, **options: Any
) -> list[list[int]]:
    settings: dict[str, Any] = {"max_sequences": at_once, "max_batch_tokens": 64, **options}
    engine = Engine(model, EngineSettings(**settings))
    params = SamplingParams(max_tokens=40)
    asked = [engine.generate(prompt, params) for prompt in prompts]
    found = [list(generation) for generation in asked]
    engine.close()
    return found


def uncached(model: Transformer, prompt: Sequence[int], num_tokens: int = 40) -> list[int]:
    tokens = list(prompt)
    for _ in range(num_tokens):
        tokens.append(int(packed_logits(model, tokens)[-1].argmax()))
    return tokens[len(prompt) :]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_engine_says_what_the_model_says_without_a_cache(family: str) -> None:
    model = build_model(**FAMILIES[family])
    prompts = [*PROMPTS, REPEATING]
    assert answers(model, prompts) == [uncached(model, prompt) for prompt in prompts]


def test_one_at_a_time_says_what_many_at_once_say() -> None:
    model = build_model()
    assert answers(model, PROMPTS, at_once=1) == answers(model, PROMPTS)


def test_guessing_never_changes_what_is_said() -> None:
    model = build_model()
    prompts = [REPEATING, REPEATING[5:], REPEATING[9:]]
    assert answers(model, prompts, lookup=True) == answers(model, prompts, lookup=False)


def test_drawn_tokens_are_drawn_alike_on_the_card_and_off_it() -> None:
    params = SamplingParams(max_tokens=30, temperature=0.9, top_p=0.9, seed=3)
    found = []
    for device in (DEVICE, torch.device("cpu")):
        engine = Engine(build_model().to(device))
        found.append(list(engine.generate(PROMPTS[0], params)))
        engine.close()
    assert found[0] == found[1]


def test_eight_bits_stay_close_to_sixteen() -> None:
    dense = build_model(torch.bfloat16, d_model=256, d_ff=512)
    packed = build_model(torch.bfloat16, d_model=256, d_ff=512)
    pack_int8(packed)
    right = packed_logits(dense, PROMPTS[0]).log_softmax(-1)
    found = packed_logits(packed, PROMPTS[0]).log_softmax(-1)  # 60 rows: the kernel's
    assert float((right.exp() * (right - found)).sum(-1).mean()) < 0.02


@pytest.mark.parametrize("num_rows", [1, 5, 16, 17, 64])
def test_the_eight_bit_kernel_multiplies_by_the_rounded_weights(num_rows: int) -> None:
    weight, x = (torch.randn(rows, 576, device=DEVICE) for rows in (1000, num_rows))
    rounded = quantise_int8(weight)
    found = CudaInt8(rounded.levels, rounded.scales).multiply(x.bfloat16())
    right = x.bfloat16().float() @ (rounded.levels.float() * rounded.scales.float()[:, None]).T
    torch.testing.assert_close(found.float(), right, rtol=0.01, atol=0.05)


def test_compiled_blocks_say_what_plain_ones_say_and_are_compiled_once() -> None:
    from torch._dynamo.utils import counters  # noqa: PLC0415  # takes seconds

    from generation.engine.cuda.compiling import OpaqueContext, compile_blocks  # noqa: PLC0415

    plain, compiled = build_model(), build_model()
    compile_blocks(compiled.blocks)
    runners: list[DeviceRunner] = []
    for model, kind in ((plain, DeviceContext), (compiled, OpaqueContext)):
        attention = build_attention("triton")
        record = CudaRecorder(DEVICE)
        runners.append(
            DeviceRunner(model, SIZES, attention=attention, record=record, context_type=kind)
        )
    num_graphs = counters["stats"]["unique_graphs"]
    right, found = (paged_logits(plain, runner, prompt=20) for runner in runners)
    for one, other in zip(right, found, strict=True):
        torch.testing.assert_close(other, one, rtol=2e-3, atol=2e-3)
    assert counters["stats"]["unique_graphs"] == num_graphs
