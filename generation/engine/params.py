"""How to choose tokens and when to stop: one request's options. Refuses what is out of range."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from generation.engine.errors import SamplingParamsError

MAX_LOGPROBS: Final = 20
MAX_LOGIT_BIASES: Final = 1024
_NO_BIAS: Final[Mapping[int, float]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingParams:
    """Options of one request; the defaults take the likeliest token, unpenalised.

    temperature: 0 takes the likeliest token. top_k, top_p, min_p: keep the k likeliest, then the
        fewest whose probabilities reach p, then those at least min_p times as likely as the first.
    repetition_penalty: divides (multiplies, where negative) the logits of tokens in the prompt or
        the output (Keskar et al. 2019). presence_penalty, frequency_penalty: taken off the logits
        of tokens of the output, once and per occurrence. logit_bias: added, by token id.
    seed: with a token's position it fixes the choice, whatever else is in the batch.
    max_tokens: the most to generate. stop_ids: end the output and are not part of it.
    num_logprobs: None for none; 0 for the chosen token's, k for the k likeliest as well. They are
        of the model's own distribution: before temperature, penalties and constraints.
    lookup: may guess tokens from the prompt and check them in one pass; never changes the output.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int | None = None
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=lambda: _NO_BIAS)
    seed: int = 0
    max_tokens: int = 256
    stop_ids: frozenset[int] = field(default_factory=frozenset)
    num_logprobs: int | None = None
    lookup: bool = True

    @property
    def has_penalties(self) -> bool:
        """Whether what was said before bears on what comes next."""
        return bool(self.repetition_penalty != 1 or self.presence_penalty or self.frequency_penalty)

    def check_vocabulary(self, size: int) -> None:
        """Raise SamplingParamsError where a bias is for a token that the model does not have."""
        if self.logit_bias and max(self.logit_bias) >= size:
            raise SamplingParamsError(
                f"logit_bias names token {max(self.logit_bias)}, the vocabulary has {size}"
            )

    def __post_init__(self) -> None:
        _check("temperature", self.temperature, 0, math.inf)
        _check("min_p", self.min_p, 0, 1)
        _check("presence_penalty", self.presence_penalty, -2, 2)
        _check("frequency_penalty", self.frequency_penalty, -2, 2)
        if not 0 < self.top_p <= 1:
            raise SamplingParamsError(f"top_p must be above 0 and at most 1, got {self.top_p}")
        if not 0 < self.repetition_penalty < math.inf:
            raise SamplingParamsError(
                f"repetition_penalty must be above 0, got {self.repetition_penalty}"
            )
        if self.top_k is not None and self.top_k < 1:
            raise SamplingParamsError(f"top_k must be at least 1, got {self.top_k}")
        if self.max_tokens < 1:
            raise SamplingParamsError(f"max_tokens must be at least 1, got {self.max_tokens}")
        if self.seed < 0:
            raise SamplingParamsError(f"seed must be 0 or above, got {self.seed}")
        if self.num_logprobs is not None:
            _check("num_logprobs", self.num_logprobs, 0, MAX_LOGPROBS)
        if len(self.logit_bias) > MAX_LOGIT_BIASES:
            raise SamplingParamsError(
                f"logit_bias may name {MAX_LOGIT_BIASES} tokens, got {len(self.logit_bias)}"
            )
        for token, bias in self.logit_bias.items():
            if token < 0:
                raise SamplingParamsError(f"logit_bias must name token ids, got {token}")
            _check(f"logit_bias of token {token}", bias, -100, 100)


def _check(name: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        limits = f"{low} or above" if high == math.inf else f"between {low} and {high}"
        raise SamplingParamsError(f"{name} must be {limits}, got {value}")
