"""An engine and a tokenizer without weights: it writes what it is told to, a byte a token."""

import threading
from collections.abc import Callable, Sequence
from typing import Final

from tokenizers.pre_tokenizers import ByteLevel

from generation.chat_template import ChatTemplate
from generation.completion import Completer
from generation.engine.engine import EngineStats
from generation.engine.errors import EngineBusyError, EngineClosedError, PromptTooLongError
from generation.engine.events import Emitted, Event, Finished, TokenChoice
from generation.engine.row_adapters import RowAdapter
from generation.engine.sequence import FinishReason, Request
from generation.errors import AdapterMissingError
from generation.tokenizer import Tokenizer
from generation.tokenizer_codecs import build_byte_level

END, START = 0, 1
_CONTROL: Final = ("<|end|>", "<|start|>")
_TEMPLATE: Final = (
    "{% for m in messages %}<|start|>{{ m.role }}\n{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)


def byte_tokenizer() -> Tokenizer:
    """A token for every byte, and two control tokens."""
    tokens = [*_CONTROL, *sorted(ByteLevel.alphabet())]
    codec = build_byte_level(tokens, (), pre="gpt-2", hidden=frozenset({END, START}))
    return Tokenizer(
        codec,
        control_ids=frozenset({END, START}),
        stop_ids=frozenset({END}),
        template=ChatTemplate(_TEMPLATE),
    )


class FakeTicket:
    """A request of the fake engine."""

    def __init__(self, num_before: int | None) -> None:
        self.cancelled = threading.Event()
        self.num_before = num_before
        self.ended: set[int] = set()

    def cancel(self, sample: int | None = None) -> None:
        """End it."""
        if sample is None:
            self.cancelled.set()
        else:
            self.ended.add(sample)


class FakeAdapters:
    """Adapters that change nothing, by the names that they are known under."""

    def __init__(self, known: set[str]) -> None:
        self.known = known

    def get(self, sha256: str) -> RowAdapter:
        """It, if it is known."""
        if sha256 not in self.known:
            raise AdapterMissingError(f"there is no adapter {sha256[:12]} here")
        return RowAdapter(sha256, {})


class FakeEngine:
    """Writes `reply` for every sample, on a thread of its own, `pause_s` before every token.

    `num_before`: so many requests wait before each. `adapters`: those that it has.

    Where a request has a constraint, the first token that it allows is taken instead. `hangs`: it
    never gets through the prompt. `error`: it fails after half of the reply.
    """

    def __init__(
        self,
        reply: str = "Hello, world!",
        *,
        pause_s: float = 0.0,
        max_context: int = 4096,
        max_waiting: int = 64,
    ) -> None:
        self.tokenizer = byte_tokenizer()
        self.reply = reply
        self.pause_s = pause_s
        self.max_context = max_context
        self.max_waiting = max_waiting
        self.hangs = False
        self.error: str | None = None
        self.ends_as = FinishReason.STOP
        self.requests: list[Request] = []
        self.tickets: list[FakeTicket] = []
        self.adapters: set[str] = set()
        self.num_before: int | None = None
        self.num_computed = 0
        self.num_running = 0
        self.is_closed = threading.Event()
        self._lock = threading.Lock()

    def completer(self) -> Completer:
        """Text over this engine."""
        return Completer(self.tokenizer, self, adapters=FakeAdapters(self.adapters))

    def submit(self, request: Request, listen: Callable[[Event], None]) -> FakeTicket:
        """Begin to write."""
        num_tokens = len(request.prompt_ids)
        if num_tokens >= self.max_context:
            raise PromptTooLongError(num_tokens=num_tokens, max_tokens=self.max_context - 1)
        if self.is_closed.is_set():
            raise EngineClosedError("the engine is shutting down")
        with self._lock:
            if self.num_running >= self.max_waiting:
                raise EngineBusyError(num_waiting=self.num_running, max_waiting=self.max_waiting)
            self.num_running += 1
        self.requests.append(request)
        ticket = FakeTicket(self.num_before)
        self.tickets.append(ticket)
        threading.Thread(target=self._write, args=(request, listen, ticket), daemon=True).start()
        return ticket

    def score(
        self,
        prompt_ids: Sequence[int],
        continuations: Sequence[Sequence[int]],
        *,
        tenant: str = "",
        adapter: RowAdapter | None = None,
    ) -> list[float]:
        """Shorter is likelier."""
        return [-float(len(ids)) for ids in continuations]

    def stats(self) -> EngineStats:
        """Counts what it can."""
        return EngineStats(
            num_running=self.num_running,
            num_waiting=0,
            kv_usage=0.25 if self.num_running else 0.0,
            num_threads=1,
            num_steps=self.num_computed,
            num_prompt_tokens=sum(len(request.prompt_ids) for request in self.requests),
            num_reused_tokens=0,
            num_generated_tokens=self.num_computed,
            num_preemptions=0,
            num_guessed=0,
            num_accepted=0,
        )

    def move_up(self, num_before: int | None) -> None:
        """Let those before the only request go one by one, and then it."""
        if num_before is None:
            self.hangs = False
        else:
            self.tickets[0].num_before = num_before - 1 if num_before else None

    def close(self, *, drain_s: float = 0.0) -> None:
        """End everything."""
        self.is_closed.set()

    def _write(self, request: Request, listen: Callable[[Event], None], ticket: FakeTicket) -> None:
        reasons = []
        for sample in range(request.num_samples):
            reason = self._write_sample(request, sample, listen, ticket)
            reasons.append(reason)
        with self._lock:
            self.num_running -= 1
        for sample, reason in enumerate(reasons):
            error = self.error if reason is FinishReason.ERROR else None
            listen(Finished(sample, reason, num_reused=3, error=error))

    def _write_sample(
        self, request: Request, sample: int, listen: Callable[[Event], None], ticket: FakeTicket
    ) -> FinishReason:
        constraint = request.build_constraint() if request.build_constraint else None
        script = self.tokenizer.encode(self.reply)
        for index in range(request.params.max_tokens):
            if self._waits_in_vain(ticket) or sample in ticket.ended:
                return FinishReason.CANCELLED
            if self.error is not None and index * 2 >= len(script):
                return FinishReason.ERROR
            if constraint is not None:
                if constraint.is_finished:
                    return self.ends_as
                mask = constraint.mask()
                token = 0 if mask is None else int(mask.int().argmax())
                constraint.advance(token)
            elif index < len(script):
                token = script[index]
            else:
                return self.ends_as
            if token in request.params.stop_ids:
                return self.ends_as
            self.num_computed += 1
            listen(Emitted(sample, (self._choice(request, token),)))
        return FinishReason.LENGTH

    def _waits_in_vain(self, ticket: FakeTicket) -> bool:
        while True:
            if ticket.cancelled.wait(self.pause_s) or self.is_closed.is_set():
                return True
            if not self.hangs:
                return False
            ticket.cancelled.wait(0.01)

    def _choice(self, request: Request, token: int) -> TokenChoice:
        num_logprobs = request.params.num_logprobs
        if num_logprobs is None:
            return TokenChoice(token)
        others = tuple((other, -1.0 - other) for other in range(num_logprobs))
        return TokenChoice(token, -0.5, others)


class FakeServed:
    """A model for a worker: `may_load` holds loading back, `fault` is how it ends."""

    def __init__(self, engine: FakeEngine | None = None, *, model: str = "fake-model") -> None:
        self.engine = engine or FakeEngine()
        self.model = model
        self.model_sha256 = "f" * 64
        self.completer = self.engine.completer()
        self.may_load = threading.Event()
        self.may_load.set()
        self.fault: Exception | None = None

    def load(self) -> None:
        """Wait until it may, then fail or not."""
        self.may_load.wait(30)
        if self.fault is not None:
            raise self.fault

    def stats(self) -> EngineStats:
        """The engine's."""
        return self.engine.stats()

    def close(self) -> None:
        """End what runs."""
        self.engine.close()
