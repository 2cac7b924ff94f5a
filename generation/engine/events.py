"""What a running request tells its listener. Data only."""

from dataclasses import dataclass

from generation.engine.sequence import FinishReason


@dataclass(frozen=True, slots=True)
class TokenChoice:
    """A chosen token. Log-probabilities (nats) are the model's own, and given where asked for."""

    token: int
    logprob: float | None = None
    alternatives: tuple[tuple[int, float], ...] = ()  # (token, logprob), likeliest first


@dataclass(frozen=True, slots=True)
class Emitted:
    """Tokens that a sample has gained in one step."""

    sample: int
    choices: tuple[TokenChoice, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of a sample. num_reused: prompt tokens that were found in the cache."""

    sample: int
    reason: FinishReason
    num_reused: int = 0
    error: str | None = None
    score: float | None = None  # of a scoring request: log-likelihood of its continuation


Event = Emitted | Finished
