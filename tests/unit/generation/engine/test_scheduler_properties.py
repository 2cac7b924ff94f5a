"""Whatever comes and goes, and in whatever order: accounts balance and outputs are right."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from generation.engine.sequence import Deadlines, Priority, Sequence
from tests.unit.generation.engine.scheduling import (
    VOCAB_SIZE,
    Simulation,
    continuation,
    limits,
    request,
)

# prompts that begin alike, so that pages are shared, and part at any place
STEM = tuple(i * i % VOCAB_SIZE for i in range(60))

prompts = st.builds(
    lambda num_stem, tail: STEM[:num_stem] + tuple(tail),
    st.integers(0, 60),
    st.lists(st.integers(0, VOCAB_SIZE - 1), min_size=1, max_size=6),
)
durations = st.none() | st.floats(0, 20)
options = st.fixed_dictionaries(
    {
        "max_tokens": st.integers(1, 12),
        "num_samples": st.sampled_from([1, 1, 3]),
        "tenant": st.sampled_from(["north", "south"]),
        "priority": st.sampled_from(Priority),
        "deadlines": st.builds(
            Deadlines, queue_s=durations, first_token_s=durations, total_s=durations
        ),
    }
)


class AnyTraffic(RuleBasedStateMachine):
    @initialize(
        num_pages=st.integers(2, 20),
        page_size=st.sampled_from([1, 2, 4]),
        max_sequences=st.integers(1, 5),
        num_spare=st.integers(0, 12),
        keeps_runs=st.booleans(),
        data=st.data(),
    )
    def start(
        self,
        *,
        num_pages: int,
        page_size: int,
        max_sequences: int,
        num_spare: int,
        keeps_runs: bool,
        data: st.DataObject,
    ) -> None:
        self.now = 0.0
        self.submitted: list[Sequence] = []
        self.removed: set[Sequence] = set()
        self.simulation = Simulation(
            num_pages=num_pages,
            page_size=page_size,
            keeps_runs=keeps_runs,
            limits=limits(
                max_sequences=max_sequences,
                max_batch_tokens=max_sequences + num_spare,
                max_context=data.draw(st.integers(2, num_pages * page_size)),
            ),
        )

    @rule(prompt=prompts, options=options, score_share=st.none() | st.floats(0, 1))
    def submit(
        self, prompt: tuple[int, ...], options: dict[str, Any], score_share: float | None
    ) -> None:
        prompt = prompt[: self.simulation.limits.max_context - 1]
        if score_share is not None:
            score_from = max(1, round(score_share * len(prompt)))
            options = options | {"num_samples": 1, "score_from": score_from}
        asked = request(prompt, submitted_at=self.now, **options)
        self.submitted += self.simulation.submit(asked)

    @precondition(lambda self: self.simulation.scheduler.has_work)
    @rule(times=st.integers(1, 5))
    def step(self, times: int) -> None:
        for _ in range(times):
            self.simulation.step()

    @precondition(lambda self: self.simulation.scheduler.has_work)
    @rule(
        num_right=st.integers(0, 5),
        wrong=st.lists(st.integers(0, VOCAB_SIZE - 1), max_size=4),
    )
    def guess(self, num_right: int, wrong: list[int]) -> None:
        for sequence in self.simulation.scheduler.sequences():
            if sequence.is_decoding and sequence.output_ids:
                tokens = sequence.token_ids(0, sequence.num_tokens)
                sequence.guesses = continuation(tokens, num_right) + wrong

    @precondition(lambda self: self.simulation.scheduler.has_work)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        sequences = self.simulation.scheduler.sequences()
        sequence = sequences[data.draw(st.integers(0, len(sequences) - 1))]
        self.simulation.scheduler.remove(sequence)
        self.simulation.scheduler.remove(sequence)  # twice does no harm
        self.removed.add(sequence)

    @rule(duration=st.floats(0, 10))
    def let_time_pass(self, duration: float) -> None:
        self.now += duration
        expired = self.simulation.scheduler.expired(self.now)
        for sequence in expired:
            self.simulation.scheduler.remove(sequence)
        self.removed.update(expired)
        self.simulation.scheduler.check()
        assert not self.simulation.scheduler.expired(self.now)

    def teardown(self) -> None:
        if not hasattr(self, "simulation"):
            return
        self.simulation.run()
        ended = set(self.simulation.ended)
        assert len(ended) == len(self.simulation.ended)
        assert ended | self.removed == set(self.submitted)
        assert not ended & self.removed
        for sequence in ended:
            expected = continuation(sequence.request.prompt_ids, len(sequence.output_ids))
            assert sequence.output_ids == expected
        pool = self.simulation.pool
        assert pool.num_free == pool.num_pages
        pool.check(holders=[])


AnyTraffic.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
test_no_traffic_leaks_a_page_or_leaves_a_request_behind = AnyTraffic.TestCase
