"""A model that needs no tensors: it writes tokens into pages and reads them back. For tests."""

from collections import Counter
from collections.abc import Iterable
from collections.abc import Sequence as Tokens
from typing import Any

from generation.engine.pages import PagePool
from generation.engine.params import SamplingParams
from generation.engine.scheduler import Scheduler, SchedulerLimits, Work
from generation.engine.sequence import Priority, Request, Sequence

VOCAB_SIZE = 7


def request(
    prompt: Iterable[int],
    *,
    max_tokens: int = 4,
    tenant: str = "",
    priority: Priority = Priority.CHAT,
    **more: Any,
) -> Request:
    return Request(
        prompt_ids=tuple(prompt),
        params=SamplingParams(max_tokens=max_tokens),
        tenant=tenant,
        priority=priority,
        **more,
    )


def limits(**changes: int) -> SchedulerLimits:
    usual = {"max_batch_tokens": 64, "max_sequences": 8, "max_waiting": 100, "max_context": 64}
    return SchedulerLimits(**(usual | changes))


def next_token(tokens: Tokens[int]) -> int:
    """What the model says after `tokens`."""
    return (sum(tokens[-3:]) * 3 + len(tokens)) % VOCAB_SIZE


def continuation(prompt: Tokens[int], length: int) -> list[int]:
    """What a model without a cache says after `prompt`."""
    tokens = list(prompt)
    while len(tokens) < len(prompt) + length:
        tokens.append(next_token(tokens))
    return tokens[len(prompt) :]


class Simulation:
    """A scheduler with the fake model behind it, which complains of every wrong page."""

    def __init__(
        self,
        *,
        num_pages: int = 16,
        page_size: int = 4,
        limits: SchedulerLimits,
        keeps_runs: bool = False,
    ) -> None:
        self.pool = PagePool(num_pages, page_size=page_size, keeps_runs=keeps_runs)
        self.scheduler = Scheduler(self.pool, limits)
        self.limits = limits
        self.ended: list[Sequence] = []  # in the order in which they ran to their end
        self._memory: dict[tuple[int, int], tuple[str, int]] = {}  # page, offset: tenant, token

    def submit(self, asked: Request) -> list[Sequence]:
        sequences = [Sequence(request=asked, sample=i) for i in range(asked.num_samples)]
        for sequence in sequences:
            self.scheduler.add(sequence)
        return sequences

    def submit_one(self, prompt: Iterable[int], **options: Any) -> Sequence:
        [sequence] = self.submit(request(prompt, **options))
        return sequence

    def step(self) -> list[Work]:
        """Schedule, compute, choose. Checks the accounts before and after."""
        works = self.scheduler.schedule()
        self.scheduler.check()
        assert works or not self.scheduler.has_work
        assert sum(work.num_tokens for work in works) <= self.limits.max_batch_tokens
        assert self.scheduler.num_running <= self.limits.max_sequences
        self._write(works)
        for work in works:
            self._choose(work)
        self.scheduler.check()
        return works

    def run(self, *, max_steps: int = 10_000) -> None:
        """Step until nothing is left."""
        for _ in range(max_steps):
            if not self.scheduler.has_work:
                return
            self.step()
        raise AssertionError(f"{self.scheduler.sequences()} have not ended")

    def _write(self, works: list[Work]) -> None:
        holders = Counter(page for each in self.scheduler.sequences() for page in each.pages)
        for source, target in (copy for work in works for copy in work.copies):
            assert holders[target] == 1, f"page {target} is written while others hold it"
            for offset in range(self.pool.page_size):
                self._memory[target, offset] = self._memory[source, offset]
        for work in works:
            sequence = work.sequence
            assert work.start == sequence.num_computed
            assert work.end <= self.limits.max_context
            for at, token in enumerate(sequence.token_ids(work.start, work.end), work.start):
                page, offset = self._slot(sequence, at)
                assert holders[page] == 1, f"page {page} is written while others hold it"
                self._memory[page, offset] = (sequence.request.tenant, token)

    def _choose(self, work: Work) -> None:
        sequence = work.sequence
        seen = self._read(sequence, work.end)
        assert seen == sequence.token_ids(0, work.end), "the pages do not spell the sequence"
        if not work.completes:
            self.scheduler.complete(work)
            return
        first = work.end - work.num_guesses
        num_accepted = 0
        if sequence.request.score_from is None:
            guesses = list(sequence.guesses)
            for end in range(first, work.end + 1):
                sequence.output_ids.append(next_token(seen[:end]))
                is_right = end < work.end and guesses[end - first] == sequence.output_ids[-1]
                if not is_right or self._is_done(sequence):
                    break
                num_accepted += 1
        self.scheduler.complete(work, num_accepted)
        assert not sequence.guesses
        if self._is_done(sequence):
            self.scheduler.remove(sequence)
            self.ended.append(sequence)

    def _is_done(self, sequence: Sequence) -> bool:
        return (
            sequence.request.score_from is not None
            or len(sequence.output_ids) >= sequence.params.max_tokens
            or sequence.num_tokens >= self.limits.max_context
        )

    def _read(self, sequence: Sequence, end: int) -> list[int]:
        tokens = []
        for at in range(end):
            tenant, token = self._memory[self._slot(sequence, at)]
            assert tenant == sequence.request.tenant, f"{tenant}'s page is read by another tenant"
            tokens.append(token)
        return tokens

    def _slot(self, sequence: Sequence, at: int) -> tuple[int, int]:
        return sequence.pages[at // self.pool.page_size], at % self.pool.page_size
