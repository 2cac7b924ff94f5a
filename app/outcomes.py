"""What operators are told of an answer: how it ended and what it took. Holds no word of it."""

from dataclasses import dataclass
from typing import Literal

from generation.types import FinishReason, Sampling, Usage

Status = Literal["answered", "partial", "refused", "cancelled", "failed"]
"""How an answer ended."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer that has ended just now. Durations are seconds from the question."""

    id: str
    status: Status
    finish_reason: FinishReason
    model: str
    sampling: Sampling
    usage: Usage
    num_passages: int
    conversation_id: str | None
    retrieve_s: float
    # None where no token was written
    first_token_s: float | None
    total_s: float
