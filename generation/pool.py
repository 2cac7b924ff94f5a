"""Several servers as one generator: asks another where one fails, and never twice for one text.

What a server has begun to write is its own: where it breaks off, the reader is told, because what
another would write on need not fit. Whatever has not begun goes to another server, as long as there
is patience. No torch.
"""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from types import TracebackType
from typing import Final, Self, cast

from core.errors import CimientoError
from core.settings import GenerationSettings
from generation.errors import (
    AdapterMissingError,
    AdapterUnusableError,
    GeneratorBusyError,
    GeneratorUnavailableError,
)
from generation.generator import Cancelled
from generation.remote import RemoteGenerator, RemoteModel
from generation.roster import Member, Roster, prefix_of
from generation.types import (
    Draft,
    FinishReason,
    Message,
    OnWait,
    Pieces,
    Sampling,
    ignore_wait,
)

_CHECK_EVERY_S: Final = 2.0
_LOST_AFTER_S: Final = 15.0
_WAIT_S: Final = 15.0
# How often whoever waits looks whether its own caller has gone.
_POLL_S: Final = 0.05
# Where a full server does not say for how long.
_FULL_S: Final = 1.0


class GeneratorPool:
    """One or more servers of one model. Thread-safe; watches them from its first use on."""

    def __init__(
        self,
        generators: Sequence[RemoteGenerator],
        *,
        wait_s: float = _WAIT_S,
        lost_after_s: float = _LOST_AFTER_S,
        check_every_s: float = _CHECK_EVERY_S,
    ) -> None:
        """wait_s: how long a question waits for a server that takes it."""
        self._wait_s = wait_s
        self.roster = Roster(generators, lost_after_s=lost_after_s, check_every_s=check_every_s)

    @classmethod
    def of(cls, settings: GenerationSettings, *, model: str) -> Self:
        """As the settings say, which must name a URL."""
        return cls(
            [RemoteGenerator.of(settings, url, model=model) for url in settings.urls],
            wait_s=settings.wait_s,
            lost_after_s=settings.lost_after_s,
        )

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.roster.members[0].generator.model

    @property
    def model_sha256(self) -> str:
        """Hash of the weights; empty where foreign servers do not say."""
        return self._get_model(wait_s=self._wait_s).sha256

    @property
    def runs_on(self) -> str:
        """Elsewhere; servers do not say on what."""
        return "remote"

    @property
    def max_context(self) -> int:
        """Tokens of prompt and answer together: of the server with the smallest window."""
        return self._get_model(wait_s=self._wait_s).max_context

    def load(self) -> None:
        """Wait until one of the servers answers for its model, however long that takes."""
        self._get_model(wait_s=math.inf)

    def close(self) -> None:
        """End what runs, and close the connections."""
        self.roster.close()
        for member in self.roster.members:
            member.generator.break_off()
            member.generator.close()

    def forget_prefixes(self) -> None:
        """Let no later prompt reuse what was computed before, where the servers are ours."""
        for member in self.roster.members:
            member.generator.forget_prefixes()

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the rendered prompt; an estimate where a server cannot tell."""
        for attempt in self._attempts(messages):
            with attempt:
                return attempt.generator.count_tokens(messages)
        raise AssertionError("attempts end with an answer or an error")

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

        Raises as `RemoteGenerator.stream` does; GeneratorUnavailableError where the text had begun,
        or nobody was to be had in time.
        """
        if len(choices) == 1:
            # nothing is left for a model to say
            yield choices[0]
            return "stop"
        for attempt in self._attempts(messages, cancelled, adapter=sampling.adapter):
            with attempt:
                return (
                    yield from attempt.watched(
                        attempt.generator.stream(
                            messages,
                            sampling,
                            cancelled=cancelled,
                            choices=choices,
                            spans_of=spans_of,
                            on_wait=on_wait,
                        )
                    )
                )
        return "stop"

    def sample(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        cancelled: Cancelled,
        spans_of: Sequence[str] = (),
        on_wait: OnWait = ignore_wait,
    ) -> list[Draft]:
        """`sampling.n` texts. Nobody has seen any of them before all are there, so that another
        server may write them anew. Raises as `stream` does.
        """
        for attempt in self._attempts(messages, cancelled, adapter=sampling.adapter):
            with attempt:
                return attempt.generator.sample(
                    messages, sampling, cancelled=cancelled, spans_of=spans_of, on_wait=on_wait
                )
        return []

    def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, adapter: str = ""
    ) -> list[float]:
        """Log-likelihood (nats) of each continuation after the prompt."""
        for attempt in self._attempts(messages, adapter=adapter):
            with attempt:
                return attempt.generator.score(messages, continuations, adapter=adapter)
        raise AssertionError("attempts end with an answer or an error")

    def _attempts(
        self,
        messages: Sequence[Message],
        cancelled: Cancelled = lambda: False,
        *,
        adapter: str = "",
    ) -> "Iterator[_Attempt]":
        """One after another until one succeeds, the caller is gone, or patience ends: then raises
        what went wrong last.
        """
        self.roster.start()
        key = prefix_of(messages, adapter)
        until_s = time.monotonic() + self._wait_s
        error: CimientoError | None = None
        while not cancelled():
            member = self.roster.choose(key, adapter)
            if member is not None:
                attempt = _Attempt(self.roster, member, adapter)
                yield attempt
                error = attempt.error
            elif self.roster.all_lack(adapter):
                raise error or AdapterMissingError(
                    f"no generation worker has the adapter {adapter[:12]}; copy its file into the "
                    "folder 'adapters' of their data folders"
                )
            elif time.monotonic() >= until_s or self.roster.is_closed:
                raise error or self.roster.nobody()
            else:
                self.roster.wait(_POLL_S)

    def _get_model(self, *, wait_s: float) -> RemoteModel:
        self.roster.start()
        until_s = time.monotonic() + wait_s
        while (model := self.roster.model) is None:
            if time.monotonic() >= until_s or self.roster.is_closed:
                raise self.roster.nobody()
            self.roster.wait(_POLL_S)
        return model


class _Attempt:
    """One server asked once. As a context: swallows what another server can make good."""

    def __init__(self, roster: Roster, member: Member, adapter: str) -> None:
        self.generator = member.generator
        self.error: CimientoError | None = None
        self._roster = roster
        self._member = member
        self._adapter = adapter
        self._has_begun = False

    def watched(self, pieces: Pieces) -> Pieces:
        """The same pieces; from the first on it is too late for another server."""
        with closing(pieces):
            while True:
                try:
                    piece = next(pieces)
                except StopIteration as end:
                    return cast("FinishReason", end.value)
                self._has_begun = True
                yield piece

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> bool:
        self._roster.release(self._member)
        if isinstance(error, GeneratorBusyError):
            for_s = _FULL_S if error.retry_after_s is None else error.retry_after_s
            self._roster.pass_over(self._member, for_s=for_s)
        elif isinstance(error, GeneratorUnavailableError):
            self._roster.suspend(self._member, error)
        elif isinstance(error, (AdapterMissingError, AdapterUnusableError)):
            self._roster.note_lack(self._member, self._adapter)
        else:
            return False
        self.error = error
        return not self._has_begun
