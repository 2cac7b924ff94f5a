"""Find the fastest attention that is right on this machine, by trying them at start.

A way that is missing, wrong or fails is left out with a line in the log; the gathered one, which
needs nothing but torch, is always there.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Final

import torch
from torch import Tensor

from generation.engine.attention import LayerAttention
from generation.engine.cuda.backends import (
    GatheredAttention,
    PagedAttention,
    TritonAttention,
    VarlenAttention,
)
from generation.engine.cuda.batch import PagedBatch, fill_buffer, measure, split_buffer
from generation.engine.cuda.graphs import Recorder
from generation.engine.runner import CausalModel, Chunk

_log = logging.getLogger(__name__)

_NUM_REPEATS: Final = 20
# attention over values about 1 rounds to 0.004 in bfloat16, once in every part and once at the end
_TOLERANCE: Final = 0.03
# tokens computed before, and new: decodes of one step, and a prompt's later part among them
_DECODES: Final = ((0, 1), (15, 1), (16, 1), (33, 1), (100, 1), (203, 1))
_MIXED: Final = ((7, 1), (150, 1), (37, 60), (0, 33))
_TIMED: Final = ((1000, 1),) * 4


@dataclass(frozen=True, slots=True)
class Verdict:
    """What trying one way gave. seconds: of a decoding step; error: None where it is right."""

    name: str
    seconds: float
    error: str | None


@dataclass(frozen=True, slots=True)
class Trial:
    """A batch with random keys and queries, and the layer it is for."""

    layer: LayerAttention
    batch: PagedBatch
    q: Tensor
    keys: Tensor
    values: Tensor

    def attend(self, attention: PagedAttention) -> Tensor:
        return attention.attend(self.layer, self.q, self.keys, self.values, self.batch)


Builders = Mapping[str, Callable[[], PagedAttention]]


def default_builders(device: torch.device) -> Builders:
    def build_triton() -> PagedAttention:
        found = torch.cuda.get_device_properties(device)
        return TritonAttention(num_processors=found.multi_processor_count)

    return {"varlen": build_varlen, "triton": build_triton}


def build_varlen() -> PagedAttention:
    """Raises ImportError or what it likes where this torch or machine has none."""
    # a torch before 2.11 lacks them: that is one more way for a builder to fail
    from torch.nn.attention import activate_flash_attention_impl  # noqa: PLC0415
    from torch.nn.attention.varlen import varlen_attn  # noqa: PLC0415

    activate_flash_attention_impl("FA3")
    return VarlenAttention(varlen_attn)


@torch.inference_mode()
def choose_attention(
    model: CausalModel, builders: Builders, record: Recorder, *, page_size: int
) -> tuple[PagedAttention, list[Verdict]]:
    """The fastest right way for this model in a recorded step, and what was found of each."""
    windows = {model.config.window_of(layer) for layer in range(model.config.num_layers)}
    trials = [
        build_trial(model, lengths, LayerAttention(0, model.config.score_scale, window), page_size)
        for lengths in (_DECODES, _MIXED, _TIMED)
        for window in sorted(windows, key=lambda window: window or 0)
    ]
    reference = GatheredAttention()
    wanted = [trial.attend(reference) for trial in trials]
    verdicts = []
    best: PagedAttention = reference
    best_s = float("inf")  # the reference cannot be recorded: any other is taken before it
    for name, build in builders.items():
        attention, verdict = _try(name, build, record, trials, wanted)
        verdicts.append(verdict)
        _log.info("attention %s: %s", name, verdict.error or f"{verdict.seconds * 1e6:.0f} us")
        if attention is not None and verdict.seconds < best_s:
            best, best_s = attention, verdict.seconds
    _log.info("attention over pages: %s", best.name)
    return best, verdicts


def _try(
    name: str,
    build: Callable[[], PagedAttention],
    record: Recorder,
    trials: list[Trial],
    wanted: list[Tensor],
) -> tuple[PagedAttention | None, Verdict]:
    try:
        attention = build()
        for trial, right in zip(trials, wanted, strict=True):
            num_real = int(trial.batch.query_starts[-1])
            difference = float((trial.attend(attention) - right)[:num_real].abs().max())
            if not difference <= _TOLERANCE:  # not a number is wrong as well
                return None, Verdict(name, 0.0, f"differs by {difference:.3g}")
        _, replay = record(partial(trials[-1].attend, attention))
        return attention, Verdict(name, _time(replay, trials[-1].q.device), None)
    except Exception as error:  # noqa: BLE001  # a kernel may fail in any way; others remain
        return None, Verdict(name, 0.0, f"{type(error).__name__}: {error}")


def _time(replay: Callable[[], None], device: torch.device) -> float:
    """Median seconds of a replay."""
    times = []
    for _ in range(_NUM_REPEATS):
        started = time.perf_counter()
        replay()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - started)
    return median(times)


def build_trial(
    model: CausalModel,
    lengths: Sequence[tuple[int, int]],
    layer: LayerAttention,
    page_size: int,
) -> Trial:
    """Sequences of (computed before, new) tokens, padded, over pages in random order."""
    config = model.config
    generator = torch.Generator().manual_seed(0)
    needed = [-(-(start + num_new) // page_size) for start, num_new in lengths]
    order = torch.randperm(sum(needed), generator=generator).tolist()
    chunks = []
    for (start, num_new), count in zip(lengths, needed, strict=True):
        own, order = order[:count], order[count:]
        chunks.append(Chunk(tokens=[1] * num_new, start=start, pages=own, first_row=0))
    least = measure(chunks, page_size)
    shape = replace(least, num_tokens=least.num_tokens + 2, num_sequences=least.num_sequences + 2)
    buffer = fill_buffer(chunks, shape, spare_page=sum(needed), pinned=False)
    pool = (sum(needed) + 1, page_size, config.num_kv_heads, config.head_dim)
    q, keys, values = (
        torch.randn(*size, generator=generator).to(model.device, model.dtype)
        for size in ((shape.num_tokens, config.num_heads, config.head_dim), pool, pool)
    )
    return Trial(layer, split_buffer(buffer.to(model.device), shape), q, keys, values)
