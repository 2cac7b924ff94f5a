"""What the engine's GPU path is measured beside: a plain loop, and transformers' own batching."""

import time
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from generation.engine.attention import LayerAttention
from generation.engine.config import ModelConfig
from generation.engine.cuda.graphs import CudaRecorder, record_nothing
from generation.engine.model import Transformer


class StaticContext:
    """One sequence, its keys and values in place, attention over all places: as gpt-fast does."""

    def __init__(
        self, config: ModelConfig, position: Tensor, length: int, dtype: torch.dtype
    ) -> None:
        shape = (config.num_kv_heads, length, config.head_dim)
        self._keys, self._values = (
            [torch.zeros(shape, dtype=dtype, device=position.device) for _ in range(layers)]
            for layers in [config.num_layers] * 2
        )
        self._places = torch.arange(length, device=position.device)
        self._position = position  # (1,)

    def attend(self, layer: LayerAttention, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q (1, H, D); k, v (1, Hkv, D) -> (1, H * D)."""
        keys, values = self._keys[layer.index], self._values[layer.index]
        keys.index_copy_(1, self._position, k.transpose(0, 1))
        values.index_copy_(1, self._position, v.transpose(0, 1))
        visible = self._places <= self._position  # (L,)
        if layer.window is not None:
            visible = visible & (self._places > self._position - layer.window)
        folded = q.view(1, keys.shape[0], -1, q.shape[2])  # (1, Hkv, G, D)
        out = F.scaled_dot_product_attention(
            folded, keys[None], values[None], attn_mask=visible[None, None, None], scale=layer.scale
        )
        return out.reshape(1, -1)


@torch.inference_mode()
def time_plain_loop(
    model: Transformer, *, length: int, start: int, steps: int, compiled: bool
) -> float:
    """Seconds of a greedy step in a recorded loop that never leaves the device.

    It serves one sequence and knows no pages, no other requests and no end.
    """
    device = model.device
    token, position = torch.zeros(2, 1, dtype=torch.int64, device=device).unbind()
    context = StaticContext(model.config, position, length, model.dtype)

    def choose() -> Tensor:
        hidden = model(token, position, context)
        return model.logits(hidden).argmax(-1)  # (1,)

    compute = torch.compile(choose, fullgraph=True) if compiled else choose

    def step() -> Tensor:
        token.copy_(compute())
        position.add_(1)
        return token

    record = CudaRecorder(device) if device.type == "cuda" else record_nothing
    _, replay = record(step)
    position.fill_(start)
    synchronise(device)
    started = time.perf_counter()
    for _ in range(steps):
        replay()
    synchronise(device)
    return (time.perf_counter() - started) / steps


def time_transformers(
    model: Transformer, prompts: Sequence[Sequence[int]], *, num_tokens: int
) -> float:
    """Seconds for transformers' continuous batching to answer all prompts, greedily."""
    # a bare machine may have none, and it takes seconds to import
    from transformers import GenerationConfig  # noqa: PLC0415
    from transformers.generation.configuration_utils import (  # noqa: PLC0415
        ContinuousBatchingConfig,
    )

    from benchmarks.reference import build_reference  # noqa: PLC0415

    with model.device:  # what it draws, to be replaced, would take minutes elsewhere
        reference = build_reference(model)
    # its faster attention would be fetched from a hub
    reference.set_attn_implementation("sdpa")
    batching = ContinuousBatchingConfig(auto_switch_to_flash=False, allow_block_sharing=False)
    config = GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=num_tokens, do_sample=False, eos_token_id=-1
    )
    inputs = [list(prompt) for prompt in prompts]

    def answer() -> None:
        found = reference.generate_batch(
            inputs,
            generation_config=config,
            continuous_batching_config=batching,
            persistent_manager=True,  # what it records at its start is not measured
        )
        lengths = {len(output.generated_tokens) for output in found.values()}
        if len(found) != len(inputs) or lengths != {num_tokens}:
            raise RuntimeError(f"{len(found)} answers of {lengths} tokens")

    try:
        answer()
        synchronise(model.device)
        started = time.perf_counter()
        answer()
        synchronise(model.device)
        return time.perf_counter() - started
    finally:
        reference.destroy_cached_continuous_batching_manager()


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
