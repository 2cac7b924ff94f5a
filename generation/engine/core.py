"""The engine's one loop: schedule, run, choose, tell. Single-threaded; `Engine` gives it a thread.

A request's life: `add` turns it into sequences; each `step` asks the scheduler for a batch, runs
the model over it once, chooses tokens where a sequence is complete so far, and tells listeners.
Tokens that a constraint leaves no choice about are taken without computing anything for them.
"""

import logging
import time
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Items
from dataclasses import dataclass
from typing import Final, TypeVar

import torch
from torch import Tensor

from generation.engine.events import Emitted, Event, Finished, TokenChoice
from generation.engine.lookup import GuessCosts, Lookup
from generation.engine.params import SamplingParams
from generation.engine.penalties import TokenCounts
from generation.engine.runner import BatchRunner, Chunk
from generation.engine.sampling import Row, sample_rows
from generation.engine.scheduler import Scheduler, Work
from generation.engine.sequence import FinishReason, Request, Sequence

_log = logging.getLogger(__name__)

Listener = Callable[[Event], None]
_Answer = TypeVar("_Answer")
_Rows = tuple[Work, Chunk, Tensor]

# Guessing pays while a step waits for memory; a full batch keeps the processor busy by itself.
_MAX_GUESSING: Final = 4


@dataclass(slots=True)
class Counters:
    """What the engine has done since it started."""

    num_steps: int = 0
    num_prompt_tokens: int = 0
    num_reused_tokens: int = 0
    num_generated_tokens: int = 0
    num_preemptions: int = 0
    num_guessed: int = 0
    num_accepted: int = 0


@dataclass(slots=True, eq=False)
class _Sample:
    """A sequence with what the loop needs beside it."""

    sequence: Sequence
    listen: Listener
    lookup: Lookup | None = None
    counts: TokenCounts | None = None
    score: float = 0.0
    fault: str | None = None  # of its constraint or listener: it ends, the others go on


class EngineCore:
    """Not thread-safe: `add`, `cancel` and `step` belong to one thread."""

    def __init__(
        self,
        runner: BatchRunner,
        scheduler: Scheduler,
        *,
        max_context: int,
        lookup: bool,
        clock: Callable[[], float] = time.monotonic,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._runner = runner
        self._scheduler = scheduler
        self._max_context = max_context
        self._lookup = lookup
        self._clock = clock
        self._stopwatch = stopwatch
        self._guess_costs = GuessCosts()
        self._samples: dict[Sequence, _Sample] = {}
        self.counters = Counters()

    @property
    def has_work(self) -> bool:
        return bool(self._samples)

    def add(self, request: Request, listen: Listener, sequences: list[Sequence]) -> None:
        """Take a checked request in; its sequences are appended to `sequences`, for `cancel`."""
        build = request.build_constraint
        try:
            constraints = [build() if build else None for _ in range(request.num_samples)]
        except Exception as error:  # noqa: BLE001  # whatever it is, the request must end
            _log.exception("a constraint could not be built")
            self.refuse(request, listen, FinishReason.ERROR, error=_describe(error))
            return
        for index, constraint in enumerate(constraints):
            sequence = Sequence(request=request, sample=index, constraint=constraint)
            sequences.append(sequence)
            sample = self._samples[sequence] = self._new_sample(sequence, listen)
            self._scheduler.add(sequence)
            self._take_forced(sample)

    def refuse(
        self, request: Request, listen: Listener, reason: FinishReason, *, error: str | None = None
    ) -> None:
        """End a request that was never taken in."""
        for index in range(request.num_samples):
            _tell(listen, Finished(index, reason, error=error))

    def cancel(self, sequences: Items[Sequence]) -> None:
        """End sequences wherever they are; those that have ended already stay so."""
        for sequence in sequences:
            if sequence in self._samples:
                self._finish(self._samples[sequence], FinishReason.CANCELLED)

    def cancel_all(self) -> None:
        self.cancel(list(self._samples))

    def fail(self, error: str) -> None:
        """End everything that runs or waits: what a failed step has left behind is not known."""
        for sample in list(self._samples.values()):
            self._finish(sample, FinishReason.ERROR, error=error)

    @torch.inference_mode()
    def step(self) -> int:
        """One turn: schedule, run, choose, tell. How many tokens were computed."""
        for sequence in self._scheduler.expired(self._clock()):
            self._finish(self._samples[sequence], FinishReason.DEADLINE)
        self._guess()
        work = self._scheduler.schedule()
        if not work:
            return 0
        is_decoding_one = len(work) == 1 and work[0].num_tokens == 1 + work[0].num_guesses
        started_s = self._stopwatch()
        chunks = [_chunk(item) for item in work]
        batch = _split_rows(work, chunks, self._runner.run(chunks))
        self._score(batch)
        self._choose(batch)
        if is_decoding_one:
            self._guess_costs.record(work[0].num_guesses, self._stopwatch() - started_s)
        self.counters.num_steps += 1
        return sum(item.num_tokens for item in work)

    def _new_sample(self, sequence: Sequence, listen: Listener) -> _Sample:
        request, params = sequence.request, sequence.params
        prompt = request.prompt_ids
        sample = _Sample(sequence, listen)
        if params.has_penalties:
            sample.counts = TokenCounts(prompt)
        # what a constraint allows depends on every token before, guessed ones among them
        is_free = sequence.constraint is None and request.score_from is None
        if self._lookup and params.lookup and is_free:
            sample.lookup = Lookup(prompt, self._guess_costs)
        self.counters.num_prompt_tokens += len(prompt)
        return sample

    def _guess(self) -> None:
        """Let sequences that are about to decode guess ahead, while the batch is small."""
        if len(self._samples) > _MAX_GUESSING:
            return
        for sample in self._samples.values():
            sequence = sample.sequence
            if sample.lookup is None or not sequence.is_decoding:
                continue
            room = min(
                sequence.params.max_tokens - len(sequence.output_ids),
                self._max_context - sequence.num_tokens,
            )
            sequence.guesses = sample.lookup.guess(sequence.output_ids, most=room - 1)

    def _score(self, batch: Items[_Rows]) -> None:
        """Add up the log-likelihoods that scoring requests asked for."""
        for item, chunk, rows in batch:
            sequence = item.sequence
            if sequence.request.score_from is None:
                continue
            sample = self._samples[sequence]
            first = chunk.start + chunk.first_row
            if first + 1 == sequence.request.score_from:
                sample.score = 0.0  # of a preempted one: all is scored again
            targets = sequence.request.prompt_ids[first + 1 : item.end + 1]
            if targets:
                likely = self._runner.log_likelihoods(rows[: len(targets)], targets)
                sample.score += float(likely.sum())
            self._scheduler.complete(item)
            if item.completes:
                self._finish(sample, FinishReason.STOP)

    def _choose(self, batch: Items[_Rows]) -> None:
        """Choose the next tokens of every sequence that is complete so far."""
        ready = []
        for item, _chunk, rows in batch:
            if item.sequence.request.score_from is not None:
                continue
            if item.completes:
                ready.append((item, rows))
            else:
                self._scheduler.complete(item)
        if not ready:
            return
        logits = self._runner.logits(torch.cat([rows for _, rows in ready]))  # (R, V)
        wanted = [row for item, _ in ready for row in self._wanted(item)]
        choices = iter(sample_rows(logits, wanted))
        for item, _ in ready:
            self._accept(item, [next(choices) for _ in range(1 + item.num_guesses)])

    def _wanted(self, item: Work) -> Iterator[Row]:
        """How to choose the next token, and the one after each guess."""
        sequence = item.sequence
        sample, constraint = self._samples[sequence], sequence.constraint
        counts = sample.counts
        for offset in range(1 + item.num_guesses):
            yield Row(
                params=sequence.params,
                sample=sequence.sample,
                position=sequence.num_tokens + offset,
                counts=counts.update(sequence.output_ids) if counts else None,
                guesses=sequence.guesses[:offset],
                mask=_ask(sample, constraint.mask, None) if constraint else None,
            )

    def _accept(self, item: Work, choices: Items[TokenChoice]) -> None:
        """Keep the first choice, and each further one while the guess before it proved right."""
        sequence, sample = item.sequence, self._samples[item.sequence]
        if sample.fault is not None:
            self._finish(sample, FinishReason.ERROR)
            return
        guesses = list(sequence.guesses)
        num_right = 0
        while num_right < len(guesses) and guesses[num_right] == choices[num_right].token:
            num_right += 1
        if guesses and sample.lookup is not None:
            sample.lookup.record(num_guessed=len(guesses), num_accepted=num_right)
            self.counters.num_guessed += len(guesses)
            self.counters.num_accepted += num_right
        self._take(sample, choices[: num_right + 1], work=item, num_accepted=num_right)
        if sequence.finish_reason is None:
            self._take_forced(sample)

    def _take_forced(self, sample: _Sample) -> None:
        """Take what the constraint leaves no choice about; end where it allows nothing more."""
        constraint = sample.sequence.constraint
        if constraint is None:
            return
        # log-probabilities of forced tokens would have to be computed after all
        is_computed = sample.sequence.params.num_logprobs is not None
        while sample.sequence.finish_reason is None:
            is_finished = _ask(sample, lambda: constraint.is_finished, otherwise=True)
            forced: Items[int] = ()
            if not is_finished and not is_computed:
                forced = _ask(sample, constraint.forced, forced)
            if sample.fault is not None:
                self._finish(sample, FinishReason.ERROR)
            elif is_finished:
                self._finish(sample, FinishReason.STOP)
            elif forced:
                self._take(sample, [TokenChoice(token) for token in forced])
            else:
                return

    def _take(
        self,
        sample: _Sample,
        choices: Items[TokenChoice],
        *,
        work: Work | None = None,
        num_accepted: int = 0,
    ) -> None:
        """Append chosen tokens up to where the output ends, and tell the listener."""
        sequence = sample.sequence
        kept: list[TokenChoice] = []
        reason = None
        for choice in choices:
            reason = self._append(sample, choice.token)
            if reason is not FinishReason.STOP:
                kept.append(choice)
            if reason is not None:
                break
        if work is not None:
            # before the end is told: a prompt that gave one token is in the cache as any other
            self._scheduler.complete(work, num_accepted)
        self.counters.num_generated_tokens += len(kept)
        if kept and not _tell(sample.listen, Emitted(sequence.sample, tuple(kept))):
            sample.fault = "the request's listener failed"
            reason = FinishReason.ERROR
        if reason is not None:
            self._finish(sample, reason)

    def _append(self, sample: _Sample, token: int) -> FinishReason | None:
        """Put a token at the end; why the output ends there, if it does."""
        sequence = sample.sequence
        params: SamplingParams = sequence.params
        if token in params.stop_ids:
            return FinishReason.STOP
        sequence.output_ids.append(token)
        constraint = sequence.constraint
        if constraint is not None:
            _ask(sample, lambda: constraint.advance(token), None)
        if sample.fault is not None:
            return FinishReason.ERROR
        full = sequence.num_tokens >= self._max_context
        return (
            FinishReason.LENGTH if full or len(sequence.output_ids) >= params.max_tokens else None
        )

    def _finish(self, sample: _Sample, reason: FinishReason, *, error: str | None = None) -> None:
        sequence = sample.sequence
        sequence.finish_reason = reason
        del self._samples[sequence]
        self._scheduler.remove(sequence)
        self.counters.num_reused_tokens += sequence.num_reused
        self.counters.num_preemptions += sequence.num_preemptions
        scored = sequence.request.score_from is not None and reason is FinishReason.STOP
        _tell(
            sample.listen,
            Finished(
                sequence.sample,
                reason,
                num_reused=sequence.num_reused,
                error=error or sample.fault,
                score=sample.score if scored else None,
            ),
        )


def _tell(listen: Listener, event: Event) -> bool:
    """Whether a listener took an event: one that fails must not harm the other requests."""
    try:
        listen(event)
    except Exception:  # noqa: BLE001  # it may do anything; the engine's thread must live
        _log.exception("a request's listener failed")
        return False
    return True


def _ask(sample: _Sample, question: Callable[[], _Answer], otherwise: _Answer) -> _Answer:
    """What a constraint answers; where it fails, that is noted as the fault of its sample alone."""
    try:
        return question()
    except Exception as error:  # noqa: BLE001  # as above
        _log.exception("a constraint failed")
        sample.fault = _describe(error)
        return otherwise


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _chunk(item: Work) -> Chunk:
    sequence = item.sequence
    if sequence.request.score_from is not None:
        first_row = max(0, sequence.request.score_from - 1 - item.start)
    elif item.completes:
        first_row = item.num_tokens - 1 - item.num_guesses
    else:
        first_row = item.num_tokens
    return Chunk(
        tokens=sequence.token_ids(item.start, item.end),
        start=item.start,
        pages=sequence.pages,
        first_row=min(first_row, item.num_tokens),
        copies=item.copies,
        adapter=sequence.request.adapter,
    )


def _split_rows(work: Items[Work], chunks: Items[Chunk], hidden: Tensor) -> list[_Rows]:
    """Each piece of work with its own rows of `hidden` (R, C)."""
    sizes = [len(chunk.tokens) - chunk.first_row for chunk in chunks]
    return list(zip(work, chunks, torch.split(hidden, sizes), strict=True))
