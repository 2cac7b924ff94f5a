"""The seam between asking and computing: a `Generator` writes text. Knows no documents."""

from collections.abc import Callable, Sequence
from typing import Protocol

from generation.types import Draft, Message, OnWait, Pieces, Sampling, ignore_wait

Cancelled = Callable[[], bool]


class Generator(Protocol):
    """Writes text after a prompt. Thread-safe; callers beyond its capacity wait their turn."""

    @property
    def model(self) -> str:
        """Name of the model."""
        ...

    @property
    def model_sha256(self) -> str:
        """Hash of the weights file, for the receipt."""
        ...

    @property
    def runs_on(self) -> str:
        """Device and number format of the weights: what else decides which text comes out."""
        ...

    @property
    def max_context(self) -> int:
        """Tokens that prompt and answer may have together."""
        ...

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the rendered prompt."""
        ...

    def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        cancelled: Cancelled,
        choices: Sequence[str] = (),
        spans_of: Sequence[str] = (),
        on_wait: OnWait = ignore_wait,
    ) -> Pieces:
        """Yield the text in pieces that never split a character, then say what ended it.

        With `choices`, the whole text is one of them, and the model says which; `max_tokens` does
        not cut it. With `spans_of`, it is a run of whole words of one of those texts, to the
        letter; longer ones than `max_tokens` cannot be written. Not both. Ends early when
        `cancelled()` turns true; `on_wait` is told how many requests wait before this one, as far
        as that is known. Raises `QuestionTooLongError` with both numbers, `AdapterMissingError` and
        `AdapterUnusableError`.
        """
        ...

    def sample(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        cancelled: Cancelled,
        spans_of: Sequence[str] = (),
        on_wait: OnWait = ignore_wait,
    ) -> list[Draft]:
        """`sampling.n` texts after one prompt, which is computed once; equal seeds give equal ones.

        With `spans_of`, each is a run of whole words of one of those texts. None at all
        once `cancelled()` turns true. Raises as `stream` does.
        """
        ...

    def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, adapter: str = ""
    ) -> list[float]:
        """Log-likelihood (nats) of each continuation after the prompt, with `adapter` if named.

        Raises as `stream` does.
        """
        ...

    def forget_prefixes(self) -> None:
        """Let no later prompt reuse what was computed for an earlier one: its text was deleted."""
        ...

    def close(self) -> None:
        """End what runs, and take nothing new. Twice does nothing."""
        ...
