"""The engine on a thread of its own: requests in, events out. Refuses what cannot fit.

A request's life in full: `submit` checks it where the caller can still be told, and leaves it in
the inbox; the engine's thread takes it in, and from then on only that thread touches it
(`EngineCore.step`: schedule, run, choose, tell); its listener hears of every token and, once for
each sample and last, how it ended.
"""

import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from collections.abc import Sequence as Items
from dataclasses import dataclass, fields, replace

from generation.engine.core import Counters, EngineCore, Listener
from generation.engine.devices import RunnerBuilder, build_runner
from generation.engine.errors import (
    EngineBusyError,
    EngineClosedError,
    EngineError,
    InvalidPromptError,
    PromptTooLongError,
)
from generation.engine.generation import Generation, never_cancelled
from generation.engine.pages import PAGE_SIZE, PagePool
from generation.engine.params import SamplingParams
from generation.engine.row_adapters import RowAdapter
from generation.engine.runner import CausalModel, RunnerSizes
from generation.engine.scheduler import Scheduler, SchedulerLimits
from generation.engine.sequence import FinishReason, Priority, Request, Sequence, TokenConstraint
from generation.engine.threads import ThreadChooser

_log = logging.getLogger(__name__)

MAX_SAMPLES = 16
# how long the thread sleeps where there is work that cannot be scheduled yet
_BLOCKED_S = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """max_context: tokens of prompt and output together; None takes the model's own limit.

    kv_bytes: room for keys and values; at least one whole context is always given.
    max_batch_tokens: most tokens computed in a step; a longer prompt is computed in parts, between
        which the others go on. max_sequences, max_waiting: running at once, and queued behind.
    num_threads: of the CPU; None measures as it goes. lookup: guess tokens from the prompt.
    compile_blocks: fuse small kernels, on a card only; takes about a minute at start.
    """

    max_context: int | None = None
    kv_bytes: int = 256 << 20
    max_batch_tokens: int = 512
    max_sequences: int = 64
    max_waiting: int = 256
    num_threads: int | None = None
    lookup: bool = True
    compile_blocks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStats:
    """The present and the past of an engine; counts are since its start."""

    num_running: int
    num_waiting: int
    kv_usage: float  # share of pages that sequences hold, 0 to 1
    num_threads: int
    num_steps: int
    num_prompt_tokens: int
    num_reused_tokens: int
    num_generated_tokens: int
    num_preemptions: int
    num_guessed: int
    num_accepted: int


class Ticket:
    """A submitted request. Cancelling it twice, or after its end, does nothing."""

    def __init__(self, cancel: Callable[["Ticket", int | None], None]) -> None:
        self.sequences: list[Sequence] = []
        self.is_cancelled = False
        self._cancel = cancel

    @property
    def num_before(self) -> int | None:
        """Requests that wait before it; None where it does not wait, or was not taken in yet."""
        return self.sequences[0].num_before if self.sequences else None

    def cancel(self, sample: int | None = None) -> None:
        """End one sample that has begun to write, or all of them."""
        self._cancel(self, sample)


class Engine:
    """Thread-safe. Its thread starts with the first request and ends with `close`."""

    def __init__(
        self,
        model: CausalModel,
        settings: EngineSettings | None = None,
        *,
        build_runner: RunnerBuilder = build_runner,
    ) -> None:
        settings = settings or EngineSettings()
        limit = model.config.max_positions
        self._max_context = min(settings.max_context or limit, limit)
        self._vocab_size = model.config.vocab_size
        num_pages = _num_pages(model, settings.kv_bytes, self._max_context)
        limits = SchedulerLimits(
            max_batch_tokens=settings.max_batch_tokens,
            max_sequences=settings.max_sequences,
            max_waiting=settings.max_waiting,
            max_context=self._max_context,
        )
        sizes = RunnerSizes(
            num_pages=num_pages,
            page_size=PAGE_SIZE,
            max_context=self._max_context,
            max_sequences=settings.max_sequences,
            compile_blocks=settings.compile_blocks,
        )
        runner = build_runner(model, sizes)
        self._pool = PagePool(num_pages, keeps_runs=runner.wants_runs)
        self._scheduler = Scheduler(self._pool, limits)
        self._core = EngineCore(
            runner, self._scheduler, max_context=self._max_context, lookup=settings.lookup
        )
        self._max_waiting = settings.max_waiting
        self._max_sequences = settings.max_sequences
        self._threads = ThreadChooser(settings.num_threads)
        self._changed = threading.Condition()
        self._inbox: deque[Callable[[], None]] = deque()
        self._num_arriving = 0  # sequences in the inbox
        self._num_forgotten = 0  # times that every prefix was forgotten
        self._thread: threading.Thread | None = None
        self._is_closed = False

    @property
    def max_context(self) -> int:
        """Tokens of prompt and output together."""
        return self._max_context

    def submit(self, request: Request, listen: Listener) -> Ticket:
        """Check a request and queue it; `listen` is called on the engine's thread, never blocks.

        Every sample ends in exactly one `Finished`. Raises PromptTooLongError, InvalidPromptError,
        EngineBusyError where too many wait, EngineClosedError.
        """
        self._check(request)
        ticket = Ticket(self._cancel)
        with self._changed:
            # after `forget_prefixes` a tenant is another one: nothing from before is found again
            request = replace(request, tenant=f"{self._num_forgotten}:{request.tenant}")
            if self._is_closed:
                raise EngineClosedError("the engine is shutting down; send the request elsewhere")
            num_waiting = self._scheduler.num_waiting + self._num_arriving
            if num_waiting + request.num_samples > self._max_waiting:
                raise EngineBusyError(num_waiting=num_waiting, max_waiting=self._max_waiting)
            self._num_arriving += request.num_samples
            self._inbox.append(lambda: self._take_in(ticket, request, listen))
            self._wake()
        return ticket

    def generate(
        self,
        prompt_ids: Items[int],
        params: SamplingParams,
        *,
        cancelled: Callable[[], bool] = never_cancelled,
        build_constraint: Callable[[], TokenConstraint] | None = None,
        priority: Priority = Priority.CHAT,
        tenant: str = "",
    ) -> Generation:
        """One sample as an iterator of tokens, for callers that wait. Raises as `submit` does."""
        generation = Generation(cancelled)
        request = Request(
            prompt_ids=tuple(prompt_ids),
            params=params,
            priority=priority,
            tenant=tenant,
            build_constraint=build_constraint,
        )
        generation.attach(self.submit(request, generation.hear))
        return generation

    def score(
        self,
        prompt_ids: Items[int],
        continuations: Items[Items[int]],
        *,
        tenant: str = "",
        adapter: RowAdapter | None = None,
    ) -> list[float]:
        """The log-likelihood of each continuation after the prompt, summed over its tokens.

        The prompt is computed once, with the first; the others share its pages, in one batch or as
        few as there are seats for. An empty continuation scores 0. Raises as `submit` does, for
        the longest of them, and GenerationFailedError.
        """
        prompt = tuple(prompt_ids)
        requests = [
            Request(
                prompt_ids=(*prompt, *ids),
                params=SamplingParams(),
                tenant=tenant,
                score_from=len(prompt),
                adapter=adapter,
            )
            for ids in continuations
        ]
        for request in requests or [Request(prompt_ids=prompt, params=SamplingParams())]:
            self._check(request)
        scores = [0.0] * len(requests)
        wanted = [index for index, ids in enumerate(continuations) if ids]
        size = min(self._max_sequences, self._max_waiting)
        starts = range(1, len(wanted), size)
        for batch in (wanted[:1], *(wanted[start : start + size] for start in starts)):
            found = self._score_together([requests[index] for index in batch])
            for index, score in zip(batch, found, strict=True):
                scores[index] = score
        return scores

    def forget_prefixes(self) -> None:
        """From the return on, no new request finds pages that were computed for an earlier one.

        What runs keeps its own pages; those that nobody holds are freed before the next step.
        """
        with self._changed:
            self._num_forgotten += 1
            if self._thread is not None:
                self._inbox.append(self._pool.drop_cached)
                self._wake()

    def stats(self) -> EngineStats:
        counters = self._core.counters
        return EngineStats(
            num_running=self._scheduler.num_running,
            num_waiting=self._scheduler.num_waiting + self._num_arriving,
            kv_usage=self._pool.usage,
            num_threads=self._threads.current,
            **{field.name: getattr(counters, field.name) for field in fields(Counters)},
        )

    def check_pages(self) -> int:
        """How many pages are held. Raises PageAccountingError where records of them disagree.

        For tests and soaks, while nothing runs: then none may be held.
        """
        self._scheduler.check()
        return self._pool.num_pages - self._pool.num_free

    def close(self, *, drain_s: float = 0.0) -> None:
        """Refuse new work, give what runs `drain_s` to end, and cancel the rest."""
        with self._changed:
            self._is_closed = True
            thread = self._thread
            self._wake()
        atexit.unregister(self.close)
        if thread is None:
            return
        deadline = time.monotonic() + drain_s
        while thread.is_alive() and time.monotonic() < deadline:
            thread.join(timeout=max(0.0, deadline - time.monotonic()))
        with self._changed:
            self._inbox.append(self._core.cancel_all)
            self._wake()
        thread.join()

    def _score_together(self, requests: Items[Request]) -> list[float]:
        """The scores of all; where one cannot be had, the others are not waited for."""
        ends: list[Generation] = []
        try:
            for request in requests:
                end = Generation(never_cancelled)
                end.attach(self.submit(request, end.hear))
                ends.append(end)
            return [end.wait_for_score() for end in ends]
        except EngineError:
            for end in ends:
                end.close()
            raise

    def _check(self, request: Request) -> None:
        num_prompt = len(request.prompt_ids)
        if not num_prompt:
            raise InvalidPromptError("the prompt is empty; send at least one token")
        room = 1 if request.score_from is None else 0
        if num_prompt + room > self._max_context:
            raise PromptTooLongError(num_tokens=num_prompt, max_tokens=self._max_context - room)
        if not 1 <= request.num_samples <= min(MAX_SAMPLES, self._max_waiting):
            raise InvalidPromptError(
                f"{request.num_samples} samples were asked for; 1 to {MAX_SAMPLES} can be had"
            )
        if request.score_from is not None and request.score_from < 1:
            raise InvalidPromptError("a continuation can be scored only after at least one token")
        request.params.check_vocabulary(self._vocab_size)
        least, most = min(request.prompt_ids), max(request.prompt_ids)
        if least < 0 or most >= self._vocab_size:
            raise InvalidPromptError(
                f"token {least if least < 0 else most} is outside the vocabulary of "
                f"{self._vocab_size}; encode with the model's own tokenizer"
            )

    def _take_in(self, ticket: Ticket, request: Request, listen: Listener) -> None:
        with self._changed:
            self._num_arriving -= request.num_samples
        if ticket.is_cancelled:
            self._core.refuse(request, listen, FinishReason.CANCELLED)
            return
        self._core.add(request, listen, ticket.sequences)

    def _cancel(self, ticket: Ticket, sample: int | None) -> None:
        wanted = slice(None) if sample is None else slice(sample, sample + 1)
        with self._changed:
            ticket.is_cancelled |= sample is None
            # looked up on the engine's thread, which may not have taken the request in yet
            self._inbox.append(lambda: self._core.cancel(ticket.sequences[wanted]))
            self._wake()

    def _wake(self) -> None:
        if self._thread is None and not self._is_closed:
            self._thread = threading.Thread(target=self._serve, name="engine", daemon=True)
            self._thread.start()
            # a thread that still computes while the interpreter goes takes the process down with it
            atexit.register(self.close)
        self._changed.notify_all()

    def _serve(self) -> None:
        while self._wait_for_work():
            while self._inbox:
                self._guard(self._inbox.popleft())
            if self._core.has_work:
                self._guard(self._step)

    def _wait_for_work(self) -> bool:
        """Sleep until there is something to do; False where there is not and will not be."""
        with self._changed:
            while not self._inbox and not self._core.has_work:
                if self._is_closed:
                    return False
                self._changed.wait()
            return True

    def _step(self) -> None:
        if self._threads.run(self._core.step) == 0:
            time.sleep(_BLOCKED_S)

    def _guard(self, work: Callable[[], None]) -> None:
        """A fault in one step must end its requests, not the thread that all later ones need."""
        try:
            work()
        except Exception as error:  # noqa: BLE001  # whatever it is, its requests must end
            _log.exception("an engine step failed")
            self._core.fail(f"{type(error).__name__}: {error}")


def _num_pages(model: CausalModel, kv_bytes: int, max_context: int) -> int:
    config = model.config
    element_bytes = model.dtype.itemsize
    token_bytes = 2 * config.num_layers * config.kv_size * element_bytes
    page_bytes = PAGE_SIZE * token_bytes
    return max(kv_bytes // page_bytes, -(-max_context // PAGE_SIZE))
