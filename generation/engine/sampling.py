"""Choose the next token from logits. Pure: same logits, options and position, same token."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from generation.engine.errors import SamplingParamsError

_MASK64 = (1 << 64) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingParams:
    """How to choose tokens and when to stop.

    temperature: 0 takes the likeliest token. top_k, top_p: keep the k likeliest, then the fewest
    whose probabilities reach p; None and 1 keep all. seed: with a token's position it fixes the
    choice. max_tokens: the most to generate. stop_ids: end the output and are not part of it.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int | None = None
    seed: int = 0
    max_tokens: int = 256
    stop_ids: frozenset[int] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise SamplingParamsError(f"temperature must be 0 or above, got {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise SamplingParamsError(f"top_p must be above 0 and at most 1, got {self.top_p}")
        if self.top_k is not None and self.top_k < 1:
            raise SamplingParamsError(f"top_k must be at least 1, got {self.top_k}")
        if self.max_tokens < 1:
            raise SamplingParamsError(f"max_tokens must be at least 1, got {self.max_tokens}")
        if self.seed < 0:
            raise SamplingParamsError(f"seed must be 0 or above, got {self.seed}")


def sample(logits: Tensor, params: SamplingParams, position: int) -> int:
    """Choose an index of `logits` (V,) for the token at `position` of its sequence."""
    if params.temperature == 0:
        return int(logits.argmax())
    values, ids = logits.sort(descending=True, stable=True)
    scaled = values[: params.top_k].double() / params.temperature  # (k,)
    probabilities = scaled.softmax(-1)  # (k,)
    cumulative = probabilities.cumsum(-1)  # (k,)
    # a token stays while the mass before it is under top_p, so the likeliest one always stays
    kept = int((cumulative - probabilities < params.top_p).sum())
    target = unit_noise(params.seed, position) * float(cumulative[kept - 1])
    index = int(torch.searchsorted(cumulative[:kept], target, right=True))
    return int(ids[min(index, kept - 1)])


def unit_noise(seed: int, position: int) -> float:
    """A number in [0, 1) fixed by (seed, position) alone.

    Not by batch slot, machine or torch version: an answer resumes and replays. The mixing function
    is SplitMix64's (Steele, Lea and Flood, 2014).
    """
    return _mix(_mix(seed & _MASK64) ^ position) / 2**64


def _mix(value: int) -> int:
    value = (value + 0x9E3779B97F4A7C15) & _MASK64
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK64
    return value ^ (value >> 31)
