"""A generator that reuses nothing it computed for what was deleted since, whoever deleted it.

Deletions are made by this process, by another one that serves the same truth, and by workers that
replace a version. All of them leave their mark in the truth; it is read before and after each use.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from core.database import Database
from core.generation import read_last_deletion
from generation.generator import Cancelled, Generator
from generation.types import Draft, Message, OnWait, Pieces, Sampling, ignore_wait


class ForgettingGenerator:
    """Another generator, used with care. Thread-safe; owns that generator and the database."""

    def __init__(self, generator: Generator, database: Database) -> None:
        self._generator = generator
        self._database = database
        self._lock = threading.Lock()
        # Nothing was seen yet: a server behind this generator may remember more than we do.
        self._seen: int | None = None

    @property
    def model(self) -> str:
        """Name of the model."""
        return self._generator.model

    @property
    def model_sha256(self) -> str:
        """Hash of the weights file, for the receipt."""
        return self._generator.model_sha256

    @property
    def runs_on(self) -> str:
        """Device and number format of the weights."""
        return self._generator.runs_on

    @property
    def max_context(self) -> int:
        """Tokens that prompt and answer may have together."""
        return self._generator.max_context

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the rendered prompt."""
        return self._generator.count_tokens(messages)

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
        """Yield the text in pieces, then say what ended it. Raises as the generator does."""
        with self._up_to_date():
            return (
                yield from self._generator.stream(
                    messages,
                    sampling,
                    cancelled=cancelled,
                    choices=choices,
                    spans_of=spans_of,
                    on_wait=on_wait,
                )
            )

    def sample(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        cancelled: Cancelled,
        spans_of: Sequence[str] = (),
        on_wait: OnWait = ignore_wait,
    ) -> list[Draft]:
        """Several texts after one prompt. Raises as the generator does."""
        with self._up_to_date():
            return self._generator.sample(
                messages, sampling, cancelled=cancelled, spans_of=spans_of, on_wait=on_wait
            )

    def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, adapter: str = ""
    ) -> list[float]:
        """Log-likelihood (nats) of each continuation after the prompt."""
        with self._up_to_date():
            return self._generator.score(messages, continuations, adapter=adapter)

    def forget_prefixes(self) -> None:
        """Forget now what the next use would have forgotten."""
        self._catch_up()

    def close(self) -> None:
        """End what runs, and take nothing new. Twice does nothing."""
        self._generator.close()
        self._database.close()

    @contextmanager
    def _up_to_date(self) -> Iterator[None]:
        before = self._catch_up()
        try:
            yield
        finally:
            if self._catch_up() != before:
                # Deleted meanwhile. Another use may have forgotten before this one computed all.
                self._generator.forget_prefixes()

    def _catch_up(self) -> int:
        deletion = read_last_deletion(self._database)
        with self._lock:
            is_news = self._seen is None or deletion > self._seen
            if is_news:
                # in this order: nobody may take the mark for seen while pages are still found
                self._generator.forget_prefixes()
                self._seen = deletion
        return deletion
