"""A request and its sequences: prompt, options, progress. Data only; computes nothing."""

import time
from collections.abc import Callable
from collections.abc import Sequence as Tokens
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Protocol

from torch import Tensor

from generation.engine.params import SamplingParams
from generation.engine.row_adapters import RowAdapter


class Priority(IntEnum):
    """Lower is served first."""

    CHAT = 0  # a person waits
    BATCH = 1


class FinishReason(StrEnum):
    STOP = "stop"  # a stop token, or the constraint allows nothing more
    LENGTH = "length"  # max_tokens, or the context is full
    CANCELLED = "cancelled"
    DEADLINE = "deadline"  # one of the request's deadlines has passed
    ERROR = "error"  # the engine failed; `Finished.error` says how


class TokenConstraint(Protocol):
    """What may follow, token by token; one object a sequence, driven by the engine's thread."""

    def forced(self) -> Tokens[int]:
        """The next tokens where there is no choice; empty where there is one. No logits needed."""
        ...

    def mask(self) -> Tensor | None:
        """Booleans (V,), on the CPU: which tokens may come next; None for any."""
        ...

    def advance(self, token: int) -> None:
        """Take a token that `mask` allows or `forced` names."""
        ...

    @property
    def is_finished(self) -> bool:
        """Whether nothing may follow."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds after submission; None: no limit."""

    queue_s: float | None = None  # until the first computation
    first_token_s: float | None = None
    total_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked. `tenant`: requests of different tenants never share keys and values.

    `build_constraint` makes each sequence its own constraint. `score_from`, where given, marks
    `prompt_ids[score_from:]` as a continuation to be scored; nothing is generated then. `adapter`
    is applied to its tokens alone, whatever else is in the batch.
    """

    prompt_ids: tuple[int, ...]
    params: SamplingParams
    num_samples: int = 1
    priority: Priority = Priority.CHAT
    tenant: str = ""
    deadlines: Deadlines = Deadlines()
    build_constraint: Callable[[], TokenConstraint] | None = None
    score_from: int | None = None
    adapter: RowAdapter | None = None
    submitted_at: float = field(default_factory=time.monotonic)

    @property
    def cache_key(self) -> str:
        """Whose keys and values it may reuse: its tenant's that the same adapter computed."""
        # a digest has no colon, so that no tenant's name can stand for another pair
        return f"{self.adapter.sha256 if self.adapter else ''}:{self.tenant}"


@dataclass(slots=True, kw_only=True, eq=False)
class Sequence:
    """One sample of a request on its way. Equal only to itself.

    `pages` hold the keys and values of the first `num_computed` tokens. `guesses` are tokens that
    lookup proposes after the last; they are computed with the rest and count only once verified.
    """

    request: Request
    sample: int = 0
    constraint: TokenConstraint | None = None
    output_ids: list[int] = field(default_factory=list)
    guesses: list[int] = field(default_factory=list)
    pages: list[int] = field(default_factory=list)
    num_computed: int = 0
    num_reused: int = 0  # prompt tokens found in the cache at the first admission
    num_preemptions: int = 0
    num_before: int | None = None  # requests that wait before its own, while that waits
    finish_reason: FinishReason | None = None

    @property
    def params(self) -> SamplingParams:
        return self.request.params

    @property
    def num_prompt(self) -> int:
        return len(self.request.prompt_ids)

    @property
    def num_tokens(self) -> int:
        """Tokens of prompt and output; guesses are not among them."""
        return len(self.request.prompt_ids) + len(self.output_ids)

    @property
    def num_uncomputed(self) -> int:
        """Tokens that must be computed before the next can be chosen; guesses are not counted."""
        return self.num_tokens - self.num_computed

    @property
    def is_decoding(self) -> bool:
        """Whether one token a step is all it needs."""
        return self.num_uncomputed == 1

    def token_ids(self, start: int, end: int) -> list[int]:
        """Tokens [start, end) of prompt, output and guesses, one after the other."""
        prompt = self.request.prompt_ids
        num_prompt = len(prompt)
        if start >= num_prompt:
            outputs = self.output_ids if end <= self.num_tokens else self.output_ids + self.guesses
            return outputs[start - num_prompt : end - num_prompt]
        tail = [*self.output_ids, *self.guesses][: max(0, end - num_prompt)]
        return [*prompt[start:end], *tail]
