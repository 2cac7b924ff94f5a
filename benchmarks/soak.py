"""Half an hour of everything at once: no page lost, no request without an end, memory flat.

    python -m benchmarks.soak [--minutes 30] [--quick] [--tiny] [--json FILE] [--model FILE]

Requests arrive by a Poisson process: of all lengths, tenants and priorities, greedy and drawn, with
constraints, several samples, scores and deadlines, and callers that leave. The cache is small, so
that requests are preempted. Each minute arrivals pause until the engine is idle; then no page may
be held. Exit code 1 where a page was, or where a sample had not ended exactly once.
"""

import argparse
import heapq
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from benchmarks.memory import read_rss_bytes
from benchmarks.report import build_manifest, report
from benchmarks.soak_traffic import Subject, Traffic, build_tiny_subject, load_subject
from generation.engine.engine import Engine, EngineSettings, Ticket
from generation.engine.errors import EngineBusyError
from generation.engine.events import Event, Finished
from generation.engine.pages import PAGE_SIZE, PageAccountingError

_MAX_CONTEXT: Final = 1024
# the longest anything may take once nothing new comes
_MAX_DRAIN_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Plan:
    duration_s: float
    rate: float  # requests a second
    pace_s: float  # that a request takes, about
    round_s: float  # between two looks at the idle engine
    num_pages: int
    longest: int  # tokens of a prompt
    max_sequences: int
    max_batch_tokens: int = 256


@dataclass(slots=True)
class Tally:
    """What listeners have heard. Written by the engine's thread alone, read when it is idle."""

    num_ended: int = 0
    num_late: int = 0  # events of samples that had ended
    reasons: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)


class Listener:
    """Hears one request out."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._ended: set[int] = set()

    def __call__(self, event: Event) -> None:
        if event.sample in self._ended:
            self._tally.num_late += 1
        if isinstance(event, Finished):
            self._ended.add(event.sample)
            self._tally.num_ended += 1
            self._tally.reasons[event.reason] += 1
            if event.error is not None:
                self._tally.errors[event.error] += 1


@dataclass(slots=True)
class Outcome:
    """What a soak has found; `is_clean` is the verdict."""

    num_asked: int = 0  # samples that the engine took
    num_refused: int = 0
    num_leaked: int = 0  # pages held while nothing ran, the worst of all rounds
    faults: list[str] = field(default_factory=list)
    rss_bytes: list[int] = field(default_factory=list)  # of each round
    tally: Tally = field(default_factory=Tally)
    busy_s: float = 0.0

    @property
    def num_endless(self) -> int:
        return self.num_asked - self.tally.num_ended

    @property
    def is_clean(self) -> bool:
        return not (
            self.num_leaked
            or self.num_endless
            or self.faults
            or self.tally.num_late
            or self.tally.errors
        )


class Soak:
    """An engine under load, round after round."""

    def __init__(self, subject: Subject, plan: Plan, *, seed: int = 0) -> None:
        config = subject.model.config
        token_bytes = 2 * config.num_layers * config.kv_size * subject.model.dtype.itemsize
        settings = EngineSettings(
            max_context=_MAX_CONTEXT,
            kv_bytes=plan.num_pages * PAGE_SIZE * token_bytes,
            max_batch_tokens=plan.max_batch_tokens,
            max_sequences=plan.max_sequences,
            max_waiting=64,
        )
        self.engine = Engine(subject.model, settings)
        self.outcome = Outcome()
        self._plan = plan
        self._random = Random(seed)  # noqa: S311  # the same traffic every time
        self._requests = iter(Traffic(subject, plan.longest, plan.pace_s, self._random))
        self._leaving: list[tuple[float, int, Ticket]] = []  # when a caller leaves

    def run(self, *, is_loud: bool = False) -> Outcome:
        """Rounds until the time is up; then the engine is closed."""
        started = time.monotonic()
        while (left_s := started + self._plan.duration_s - time.monotonic()) > 0:
            self._send_for(min(left_s, self._plan.round_s))
            self._drain()
            self._look()
            if is_loud:
                print(self._describe(time.monotonic() - started), flush=True)
        self.outcome.busy_s = time.monotonic() - started
        self.engine.close()
        return self.outcome

    def _send_for(self, duration_s: float) -> None:
        end = time.monotonic() + duration_s
        arrival = time.monotonic()
        while (now := time.monotonic()) < end:
            self._let_leave(now)
            if now >= arrival:
                self._send(now)
                arrival = max(arrival + self._random.expovariate(self._plan.rate), now - 1)
            time.sleep(max(0.0, min(0.01, arrival - now)))

    def _send(self, now: float) -> None:
        request, patience_s = next(self._requests)
        try:
            ticket = self.engine.submit(request, Listener(self.outcome.tally))
        except EngineBusyError:
            self.outcome.num_refused += 1
            return
        self.outcome.num_asked += request.num_samples
        if patience_s is not None:
            # the number only keeps tickets from being compared
            heapq.heappush(self._leaving, (now + patience_s, self.outcome.num_asked, ticket))

    def _let_leave(self, now: float) -> None:
        while self._leaving and self._leaving[0][0] <= now:
            heapq.heappop(self._leaving)[2].cancel()

    def _drain(self) -> None:
        """Wait until everything that was asked has ended, or should have."""
        deadline = time.monotonic() + _MAX_DRAIN_S
        while self.outcome.num_endless and time.monotonic() < deadline:
            self._let_leave(time.monotonic())
            time.sleep(0.01)

    def _look(self) -> None:
        outcome = self.outcome
        outcome.rss_bytes.append(read_rss_bytes())
        try:
            outcome.num_leaked = max(outcome.num_leaked, self.engine.check_pages())
        except PageAccountingError as error:
            outcome.faults.append(str(error))

    def _describe(self, elapsed_s: float) -> str:
        stats, outcome = self.engine.stats(), self.outcome
        return (
            f"{elapsed_s:6.0f} s  {outcome.num_asked} samples, {outcome.num_refused} refused, "
            f"{outcome.num_endless} without end, {outcome.num_leaked} pages leaked, "
            f"{stats.num_generated_tokens} tokens, {stats.num_preemptions} preemptions, "
            f"{outcome.rss_bytes[-1] / 2**20:.0f} MiB"
        )


def collect_figures(soak: Soak) -> dict[str, float]:
    outcome, stats = soak.outcome, soak.engine.stats()
    # memory of the first round is still being touched for the first time
    settled = outcome.rss_bytes[1:] or outcome.rss_bytes
    figures = {
        "pages_leaked": outcome.num_leaked + len(outcome.faults),
        "requests_without_end": outcome.num_endless,
        "events_after_end": outcome.tally.num_late,
        "engine_errors": outcome.tally.errors.total(),
        "rss_first_bytes": settled[0],
        "rss_last_bytes": settled[-1],
        "rss_growth_bytes": settled[-1] - settled[0],
        "num_samples": outcome.num_asked,
        "num_refused": outcome.num_refused,
        "generated_tok_s": stats.num_generated_tokens / outcome.busy_s,
        "prompt_tok_s": stats.num_prompt_tokens / outcome.busy_s,
        "reused_share": stats.num_reused_tokens / max(1, stats.num_prompt_tokens),
        "accepted_share": stats.num_accepted / max(1, stats.num_guessed),
        "num_preemptions": stats.num_preemptions,
        "num_steps": stats.num_steps,
    }
    reasons = {f"ended_{name}": count for name, count in sorted(outcome.tally.reasons.items())}
    return {name: float(value) for name, value in (figures | reasons).items()}


def build_plan(duration_s: float, *, is_tiny: bool, rate: float | None = None) -> Plan:
    """As much as two cores can nearly bear, with pages for a few of the longest requests."""
    return Plan(
        duration_s=duration_s,
        rate=rate or (100.0 if is_tiny else 2.5),
        pace_s=0.1 if is_tiny else 4.0,
        round_s=min(60.0, duration_s / 3),
        num_pages=_MAX_CONTEXT // PAGE_SIZE,
        longest=400,
        max_sequences=16,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--quick", action="store_true", help="half a minute: does it run at all")
    parser.add_argument("--tiny", action="store_true", help="a random model that needs no file")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--model", type=Path, help="a GGUF file; the pulled model by default")
    parser.add_argument("--rate", type=float, help="requests a second")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    duration_s = 30.0 if options.quick else 60 * options.minutes
    plan = build_plan(duration_s, is_tiny=options.tiny, rate=options.rate)
    with tempfile.TemporaryDirectory() as cache:
        subject = build_tiny_subject() if options.tiny else load_subject(options.model, Path(cache))
        soak = Soak(subject, plan, seed=options.seed)
        outcome = soak.run(is_loud=True)
    for fault in (*outcome.faults, *outcome.tally.errors):
        print(fault)
    settings = {
        "model": "tiny" if options.tiny else str(options.model or "smollm2-135m-instruct"),
        "minutes": duration_s / 60,
        "rate": plan.rate,
        "num_pages": plan.num_pages,
        "seed": options.seed,
    }
    report(collect_figures(soak), build_manifest("soak", settings), json_path=options.json)
    return 0 if outcome.is_clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
