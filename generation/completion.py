"""Text in, text out, over the engine: prompts, stop strings, output formats, several samples.

`Completer.open` submits a request; the `Completion` it gives turns the engine's events into text.
A `Reader` is for a thread that may wait, an `AsyncReader` (`generation.async_reader`) for an event
loop. Knows no HTTP.
"""

import queue
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from generation.adapter_shelf import Adapters, NoAdapters
from generation.engine.engine import MAX_SAMPLES
from generation.engine.events import Emitted, Event, Finished
from generation.engine.params import SamplingParams
from generation.engine.row_adapters import RowAdapter
from generation.engine.sequence import Deadlines, FinishReason, Priority, Request
from generation.errors import InvalidCompletionError
from generation.output_format import AnyText, Choice, OutputFormat, OutputFormats, Span
from generation.sample_text import Piece, SampleText, Vocabulary
from generation.stopping import StopStringError, StopStrings
from generation.tokenizer import Tokenizer
from generation.types import Message, OnWait, ignore_wait

MAX_CONTINUATIONS: Final = 128
# how soon a waiting reader notices that its caller has gone
_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class TokenIds:
    """A prompt that is tokens already."""

    ids: tuple[int, ...]


Prompt = Sequence[Message] | str | TokenIds


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRequest:
    """What to write, and how.

    prompt: a conversation, plain text or tokens.
    params: how tokens are chosen; its `stop_ids` are added to the model's own ends of turn, unless
        `past_end_of_turn`. max_tokens: None lets the window be filled.
    stop: strings that end the text and are not part of it.
    adapter: the SHA-256 of the one to apply; empty for none.
    """

    prompt: Prompt
    params: SamplingParams = field(default_factory=SamplingParams)
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    past_end_of_turn: bool = False
    output: OutputFormat = field(default_factory=AnyText)
    num_samples: int = 1
    priority: Priority = Priority.CHAT
    tenant: str = ""
    adapter: str = ""
    deadlines: Deadlines = field(default_factory=Deadlines)


@dataclass(frozen=True, slots=True)
class Ended:
    """The last event of a sample. `error` is set where the reason is an error."""

    sample: int
    reason: FinishReason
    error: str | None = None


@dataclass(frozen=True, slots=True)
class CompletionUsage:
    """Tokens of the prompt, of all samples, and those of the prompt that were in the cache."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


TextEvent = Piece | Ended


class Ticket(Protocol):
    """A request that runs; `Engine.submit` gives one."""

    @property
    def num_before(self) -> int | None:
        """Requests that wait before it; None where it does not wait, as far as is known."""
        ...

    def cancel(self, sample: int | None = None) -> None:
        """End one of its samples, or all. Any thread, any time, twice."""
        ...


class TokenEngine(Protocol):
    """What completions need of an engine; `generation.engine.engine.Engine` is one."""

    @property
    def max_context(self) -> int: ...

    def submit(self, request: Request, listen: Callable[[Event], None]) -> Ticket: ...

    def score(
        self,
        prompt_ids: Sequence[int],
        continuations: Sequence[Sequence[int]],
        *,
        tenant: str = "",
        adapter: RowAdapter | None = None,
    ) -> list[float]: ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request in tokens, checked and ready to be submitted."""

    request: Request
    stop: tuple[str, ...]


class Completer:
    """Writes text with one engine. Thread-safe. vocab_size: the model's; None: the tokenizer's."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        engine: TokenEngine,
        *,
        vocab_size: int | None = None,
        adapters: Adapters | None = None,
    ) -> None:
        self._adapters = adapters or NoAdapters()
        self._tokenizer = tokenizer
        self._engine = engine
        self._vocabulary = Vocabulary(tokenizer)
        self._formats = OutputFormats(tokenizer, vocab_size=vocab_size or tokenizer.vocab_size)

    @property
    def tokenizer(self) -> Tokenizer:
        return self._tokenizer

    @property
    def max_context(self) -> int:
        """Tokens of prompt and text together."""
        return self._engine.max_context

    def encode(self, prompt: Prompt) -> list[int]:
        """The tokens of a prompt. Raises ChatTemplateError where the template refuses it."""
        if isinstance(prompt, TokenIds):
            return list(prompt.ids)
        if isinstance(prompt, str):
            return [*self._tokenizer.opening_ids, *self._tokenizer.encode(prompt)]
        return self._tokenizer.render_chat(prompt)

    def prepare(self, asked: CompletionRequest) -> Prepared:
        """Check a request and turn it into tokens. Takes milliseconds: not for an event loop.

        Raises InvalidCompletionError, which names the option, GrammarError, ChatTemplateError,
        AdapterMissingError and AdapterUnusableError.
        """
        _check(asked)
        constraint = self._formats.constrain(asked.output, max_tokens=asked.max_tokens)
        stop_ids = asked.params.stop_ids
        if constraint or not asked.past_end_of_turn:
            stop_ids |= self._tokenizer.stop_ids
        # these are never cut: they end by themselves
        limit = None if isinstance(asked.output, Choice | Span) else asked.max_tokens
        params = replace(asked.params, stop_ids=stop_ids, max_tokens=limit or self.max_context)
        if asked.num_samples > 1:
            # how much is guessed goes by the clock, and in few bits the size of a step tells
            params = replace(params, lookup=False)
        request = Request(
            prompt_ids=tuple(self.encode(asked.prompt)),
            params=params,
            num_samples=asked.num_samples,
            priority=asked.priority,
            tenant=asked.tenant,
            deadlines=asked.deadlines,
            build_constraint=constraint,
            adapter=self._find_adapter(asked.adapter),
        )
        return Prepared(request, asked.stop)

    def open(self, prepared: Prepared, listen: Callable[[Event], None]) -> "Completion":
        """Submit a request. `listen` gets the engine's events, on the engine's thread.

        Raises PromptTooLongError, InvalidPromptError, EngineBusyError, EngineClosedError.
        """
        samples = [
            SampleText(sample, self._tokenizer, self._vocabulary, prepared.stop)
            for sample in range(prepared.request.num_samples)
        ]
        ticket = self._engine.submit(prepared.request, listen)
        return Completion(ticket, samples, num_prompt=len(prepared.request.prompt_ids))

    def score(
        self,
        prompt_ids: Sequence[int],
        continuations: Sequence[str],
        *,
        tenant: str = "",
        adapter: str = "",
    ) -> list[float]:
        """Log-likelihood (nats) of each continuation after a prompt. Waits for the engine.

        Raises as `open` does, for the longest of them, InvalidCompletionError, and as `prepare`
        does for the adapter.
        """
        if len(continuations) > MAX_CONTINUATIONS:
            raise InvalidCompletionError(
                f"{len(continuations)} continuations were sent; at most {MAX_CONTINUATIONS} "
                "are scored at once",
                param="continuations",
            )
        return self._engine.score(
            prompt_ids,
            [self._tokenizer.encode(text) for text in continuations],
            tenant=tenant,
            adapter=self._find_adapter(adapter),
        )

    def _find_adapter(self, sha256: str) -> RowAdapter | None:
        return self._adapters.get(sha256) if sha256 else None


class Completion:
    """One request that runs. Feed it every event of the engine; `close` it to end it early."""

    def __init__(self, ticket: Ticket, samples: Sequence[SampleText], *, num_prompt: int) -> None:
        self._ticket = ticket
        self._samples = samples
        self._open = set(range(len(samples)))  # whose text may go on
        self._num_running = len(samples)  # in the engine
        self._num_prompt = num_prompt
        self._num_reused = 0

    @property
    def is_finished(self) -> bool:
        """Whether nothing more comes."""
        return self._num_running == 0

    @property
    def usage(self) -> CompletionUsage:
        """What it has cost so far; `cached_tokens` is known at the end."""
        num_written = sum(sample.num_tokens for sample in self._samples)
        return CompletionUsage(self._num_prompt, num_written, self._num_reused)

    @property
    def num_before(self) -> int | None:
        """Requests that wait before it; None once it has begun."""
        return self._ticket.num_before

    def take(self, event: Event) -> Iterator[TextEvent]:
        """The text that an event brings; each sample gets exactly one `Ended`, last."""
        text = self._samples[event.sample]
        if isinstance(event, Finished):
            self._num_running -= 1
            if event.sample == 0:  # it computed the prompt; its siblings find all of it
                self._num_reused = event.num_reused
        if event.sample not in self._open:
            return
        piece = text.push(event.choices) if isinstance(event, Emitted) else text.finish()
        if piece is not None:
            yield piece
        if text.is_stopped:
            yield self._end(event.sample, FinishReason.STOP)
        elif isinstance(event, Finished):
            yield self._end(event.sample, event.reason, event.error)

    def close(self) -> None:
        """End all samples; safe at any time."""
        self._ticket.cancel()

    def _end(self, sample: int, reason: FinishReason, error: str | None = None) -> Ended:
        self._open.discard(sample)
        # after a stop string the engine would write on, for nobody
        self._ticket.cancel(sample)
        return Ended(sample, reason, error)


class Reader:
    """A completion for a thread that may wait. Iterate once; leaving early ends the work."""

    def __init__(self, completer: Completer, asked: CompletionRequest) -> None:
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._completion = completer.open(completer.prepare(asked), self._events.put)

    @property
    def usage(self) -> CompletionUsage:
        """What it has cost so far."""
        return self._completion.usage

    def events(
        self, cancelled: Callable[[], bool], *, on_wait: OnWait = ignore_wait
    ) -> Generator[TextEvent, None, None]:
        """Pieces of text, and the end of each sample. `cancelled` is asked while it waits.

        Once it holds no more text comes, only the ends. `on_wait` is told whenever there are more
        or fewer requests before this one, and None when its turn has come.
        """
        is_cancelled = False
        num_before: int | None = None
        with closing(self._completion):
            while not self._completion.is_finished:
                if not is_cancelled and cancelled():
                    is_cancelled = True
                    self._completion.close()
                event = self._next_event()
                if num_before != self._completion.num_before:
                    num_before = self._completion.num_before
                    on_wait(num_before)
                for item in self._completion.take(event) if event else ():
                    if not (is_cancelled and isinstance(item, Piece)):
                        yield item

    def _next_event(self) -> Event | None:
        with suppress(queue.Empty):
            return self._events.get(timeout=_POLL_S)
        return None


def _check(asked: CompletionRequest) -> None:
    if not 1 <= asked.num_samples <= MAX_SAMPLES:
        raise InvalidCompletionError(
            f"n must be between 1 and {MAX_SAMPLES}, got {asked.num_samples}", param="n"
        )
    if asked.max_tokens is not None and asked.max_tokens < 1:
        raise InvalidCompletionError(
            f"max_tokens must be at least 1, got {asked.max_tokens}", param="max_tokens"
        )
    try:
        StopStrings(asked.stop)
    except StopStringError as error:
        raise InvalidCompletionError(str(error), param="stop") from error
