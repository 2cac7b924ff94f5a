"""Whatever comes, goes, fails or runs short, in any order: right tokens, right ends, no page lost.

The model proves what its pages hold (`RecallModel`), so an output equal to the reference means that
every page it was computed from held what it should.
"""

import random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from generation.engine.pages import PAGE_SIZE
from generation.engine.sequence import Deadlines, FinishReason, Priority, Request, Sequence
from tests.unit.generation.engine.fakes import Ears, Loop, RecallModel, Script, ask, uncached

STEM = tuple(number * number % 11 for number in range(60))  # so that pages are shared
MODEL = RecallModel(max_positions=96, vocab_size=24)

durations = st.sampled_from([None, None, 1.0, 4.0, 9.0])
tokens = st.integers(0, 23)
options = st.fixed_dictionaries(
    {
        "max_tokens": st.integers(1, 34),
        "temperature": st.sampled_from([0.0, 0.0, 0.5, 2.0]),
        "num_samples": st.sampled_from([1, 1, 1, 3]),
        "tenant": st.sampled_from(["north", "south"]),
        "priority": st.sampled_from(Priority),
        "stop_ids": st.frozensets(tokens, max_size=2),
    }
)


class AnyTraffic(RuleBasedStateMachine):
    @initialize(
        num_pages=st.integers(2, 7),
        max_sequences=st.integers(2, 6),
        num_spare=st.integers(0, 40),
        lookup=st.booleans(),
        scattered=st.booleans(),
        fails=st.booleans(),
    )
    def start(
        self,
        *,
        num_pages: int,
        max_sequences: int,
        num_spare: int,
        lookup: bool,
        scattered: bool,
        fails: bool,
    ) -> None:
        self.fails = fails
        self.now = 0.0
        self.max_context = min(num_pages * PAGE_SIZE, MODEL.config.max_positions)
        self.loop = Loop(
            MODEL,
            num_pages=2 * num_pages if scattered else num_pages,
            lookup=lookup,
            clock=lambda: self.now,
            max_sequences=max_sequences,
            max_batch_tokens=max_sequences + num_spare,
            max_context=self.max_context,
        )
        if scattered:
            self.loop.scatter_pages()
        self.asked: list[tuple[Request, Ears, list[Sequence]]] = []

    @rule(
        num_stem=st.integers(0, 60),
        tail=st.lists(tokens, min_size=1, max_size=6),
        echo=st.sampled_from([0.0, 7.5]),
        options=options,
        limits=st.builds(Deadlines, queue_s=durations, first_token_s=durations, total_s=durations),
    )
    def submit(
        self,
        num_stem: int,
        tail: list[int],
        echo: float,
        options: dict[str, Any],
        limits: Deadlines,
    ) -> None:
        self._take_in(
            ask(
                (STEM[:num_stem] + tuple(tail))[-self.max_context + 1 :],
                logit_bias={3: echo},  # says it again and again: guesses hold for a while
                deadlines=limits,
                submitted_at=self.now,
                seed=len(self.asked),
                **options,
            )
        )

    @rule(num_stem=st.integers(1, 30), continuation=st.lists(tokens, min_size=1, max_size=30))
    def score(self, num_stem: int, continuation: list[int]) -> None:
        prompt = (STEM[:num_stem] + tuple(continuation))[: self.max_context]
        self._take_in(ask(prompt, score_from=num_stem, submitted_at=self.now))

    @rule(sets=st.lists(st.lists(tokens, min_size=1, max_size=2, unique=True), max_size=5))
    def constrain(self, sets: list[list[int]]) -> None:
        self._take_in(
            ask(
                STEM[:9],
                max_tokens=4,
                build_constraint=lambda: Script(*sets, vocab_size=24),
                submitted_at=self.now,
            )
        )

    @precondition(lambda self: self.loop.core.has_work)
    @rule(times=st.integers(1, 6))
    def step(self, times: int) -> None:
        for _ in range(times):
            self.loop.core.step()
            self.loop.check()

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        _, _, sequences = data.draw(st.sampled_from(self.asked))
        self.loop.core.cancel(sequences[data.draw(st.integers(0, 1)) :])
        self.loop.check()

    @precondition(lambda self: self.fails)
    @rule()
    def fail(self) -> None:
        self.loop.core.fail("the accelerator went away")
        self.loop.check_idle()

    @rule(duration=st.floats(0, 3))
    def let_time_pass(self, duration: float) -> None:
        self.now += duration

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        self.loop.run()
        for request, ears, _ in self.asked:
            assert sorted(ears.ends) == list(range(request.num_samples))
            for sample, end in ears.ends.items():
                self._check_end(request, ears, sample, end.reason)

    def _take_in(self, request: Request) -> None:
        ears, sequences = Ears(), list[Sequence]()
        self.asked.append((request, ears, sequences))
        self.loop.core.add(request, ears, sequences)
        self.loop.check()

    def _check_end(self, request: Request, ears: Ears, sample: int, reason: FinishReason) -> None:
        output = ears.outputs.get(sample, [])
        if request.build_constraint is not None:
            return
        if request.score_from is not None:
            assert (ears.ends[sample].score is None) == (reason is not FinishReason.STOP)
            assert not output
            return
        expected = uncached(MODEL, request, sample=sample, max_context=self.max_context)
        if reason in (FinishReason.STOP, FinishReason.LENGTH):
            assert output == expected
        else:
            assert output == expected[: len(output)]


AnyTraffic.TestCase.settings = settings(max_examples=70, stateful_step_count=25, deadline=None)
test_no_traffic_loses_a_page_a_token_or_an_end = AnyTraffic.TestCase


@pytest.mark.parametrize("seed", range(5))
def test_heavy_traffic_over_little_memory_is_undisturbed(seed: int) -> None:
    """Every run of it preempts many times, which the machine above does only by chance."""
    draw = random.Random(seed)  # noqa: S311  # the same traffic every time
    loop = Loop(MODEL, num_pages=6, max_sequences=5, max_batch_tokens=20, max_context=90)
    asked: list[tuple[Request, Ears]] = []
    for number in range(25):
        request = ask(
            [*STEM[: draw.choice([0, 16, 33])], *draw.choices(range(24), k=draw.randint(1, 9))],
            max_tokens=draw.randint(1, 34),
            temperature=number % 2,
            seed=number,
            logit_bias={3: draw.choice([0.0, 7.5])},
            priority=draw.choice(list(Priority)),
            num_samples=draw.choice([1, 1, 2]),
        )
        ears, sequences = Ears(), list[Sequence]()
        loop.core.add(request, ears, sequences)
        asked.append((request, ears))
        for _ in range(draw.randint(0, 12)):
            loop.core.step()
            loop.check()
        if draw.random() < 0.2:
            loop.core.cancel(sequences)
    loop.run()
    for request, ears in asked:
        assert len(ears.ends) == request.num_samples
        for sample, end in ears.ends.items():
            output = ears.outputs.get(sample, [])
            expected = uncached(MODEL, request, sample=sample, max_context=90)
            is_cut = end.reason is FinishReason.CANCELLED
            assert output == (expected[: len(output)] if is_cut else expected)
    assert loop.core.counters.num_preemptions > 3
