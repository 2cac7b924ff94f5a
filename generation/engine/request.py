"""One request in the engine: its prompt, options and what has come of it. Computes nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from generation.engine.sampling import SamplingParams

AllowedNext = Callable[[Sequence[int]], Sequence[int] | None]


class FinishReason(StrEnum):
    STOP = "stop"  # a stop token, or nothing more was allowed
    LENGTH = "length"  # max_tokens, or the context is full
    CANCELLED = "cancelled"


def never_cancelled() -> bool:
    return False


def anything_allowed(_generated: Sequence[int]) -> None:
    return None


@dataclass(slots=True, kw_only=True)
class Request:
    prompt_ids: list[int]
    params: SamplingParams
    cancelled: Callable[[], bool] = never_cancelled
    allowed_next: AllowedNext = anything_allowed
    output_ids: list[int] = field(default_factory=list)
    num_reused_tokens: int = 0
    finish_reason: FinishReason | None = None

    @property
    def num_tokens(self) -> int:
        return len(self.prompt_ids) + len(self.output_ids)

    def tokens_from(self, start: int, *, at_most: int) -> list[int]:
        """Up to `at_most` tokens of prompt and output together, from position `start`."""
        return [*self.prompt_ids[start : start + at_most], *self._outputs(start, at_most)][:at_most]

    def _outputs(self, start: int, at_most: int) -> list[int]:
        first = max(0, start - len(self.prompt_ids))
        return self.output_ids[first : first + at_most]
