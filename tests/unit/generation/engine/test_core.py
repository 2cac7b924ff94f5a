"""The engine's loop, a step at a time: ends, constraints, deadlines, faults, figures."""

from collections.abc import Callable
from typing import Any

import pytest

from generation.engine.events import Event, Finished
from generation.engine.sequence import Deadlines, FinishReason, Sequence
from tests.unit.generation.engine.fakes import Ears, Loop, RecallModel, Script, ask, uncached
from tests.unit.generation.engine.tiny import ScriptedModel

PROMPT = [5, 17, 3, 90, 41, 5, 17, 8, 66, 2, 31, 77, 5, 17, 3, 90, 9, 30, 41, 5, 17]
COUNTING = [*range(1, 21), 1, 2, 3]  # the scripted model counts on: 4, 5, 6, ...


@pytest.fixture
def model() -> RecallModel:
    return RecallModel()


@pytest.fixture
def loop(model: RecallModel) -> Loop:
    return Loop(model)


# ends


@pytest.mark.parametrize("lookup", [True, False])
@pytest.mark.parametrize("end", range(4, 10))
def test_a_stop_id_ends_the_output_and_is_not_part_of_it(end: int, *, lookup: bool) -> None:
    loop = Loop(ScriptedModel(), lookup=lookup)
    [ears] = loop.ask_all([ask(COUNTING, stop_ids=frozenset({end, 60}))])
    assert ears.output == list(range(4, end))
    assert ears.reason is FinishReason.STOP


@pytest.mark.parametrize("lookup", [True, False])
@pytest.mark.parametrize("most", range(1, 8))
def test_the_output_ends_at_max_tokens_even_among_good_guesses(most: int, *, lookup: bool) -> None:
    loop = Loop(ScriptedModel(), lookup=lookup)
    [ears] = loop.ask_all([ask(COUNTING, max_tokens=most)])
    assert ears.output == list(range(4, 4 + most))
    assert ears.reason is FinishReason.LENGTH
    assert loop.core.counters.num_generated_tokens == most


@pytest.mark.parametrize(("most", "num_guessed"), [(4, 0), (5, 3)])
def test_nothing_is_guessed_that_could_not_be_said(most: int, num_guessed: int) -> None:
    loop = Loop(ScriptedModel())  # three guesses at a time, after a first token
    loop.ask_all([ask(COUNTING, max_tokens=most)])
    assert loop.core.counters.num_guessed == num_guessed


def test_guesses_that_held_are_not_computed_again() -> None:
    model = ScriptedModel()
    loop = Loop(model)
    loop.ask_all([ask(COUNTING, max_tokens=13)])
    assert loop.core.counters.num_accepted == loop.core.counters.num_guessed == 9
    assert sum(map(len, model.calls)) == len(COUNTING) + 13 - 1


@pytest.mark.parametrize("room", [1, 2, 5])
def test_a_full_context_ends_the_output(model: RecallModel, room: int) -> None:
    [ears] = Loop(model, max_context=len(PROMPT) + room).ask_all([ask(PROMPT)])
    assert len(ears.output) == room
    assert ears.reason is FinishReason.LENGTH


# constraints


def test_forced_tokens_are_told_but_not_computed(loop: Loop, model: RecallModel) -> None:
    script = Script([7], [8], [9])
    ears = loop.ask(ask(PROMPT, build_constraint=lambda: script))
    assert ears.output == [7, 8, 9]
    assert ears.reason is FinishReason.STOP
    assert loop.core.counters.num_steps == model.num_calls == 0
    assert not loop.core.has_work


def test_what_follows_forced_tokens_has_seen_them(loop: Loop, model: RecallModel) -> None:
    script = Script([7], [8], range(97), [4], [6], range(97))
    [ears] = loop.ask_all([ask(PROMPT, build_constraint=lambda: script)])
    third, sixth = ears.output[2], ears.output[5]
    assert ears.output == [7, 8, third, 4, 6, sixth]
    assert [third] == uncached(model, ask([*PROMPT, 7, 8], max_tokens=1))
    assert [sixth] == uncached(model, ask([*PROMPT, 7, 8, third, 4, 6], max_tokens=1))
    assert loop.core.counters.num_steps == 2


def test_only_allowed_tokens_follow(loop: Loop) -> None:
    sets = [[40, 30], [1, 2, 3], [60, 61]]
    [ears] = loop.ask_all([ask(PROMPT, build_constraint=lambda: Script(*sets))])
    assert all(token in allowed for token, allowed in zip(ears.output, sets, strict=True))
    assert ears.reason is FinishReason.STOP


@pytest.mark.parametrize("most", [1, 2, 3])
def test_forced_tokens_end_at_max_tokens(loop: Loop, most: int) -> None:
    request = ask(PROMPT, build_constraint=lambda: Script([7], [8], [9], [10]), max_tokens=most)
    [ears] = loop.ask_all([request])
    assert ears.output == [7, 8, 9][:most]
    assert ears.reason is FinishReason.LENGTH


def test_a_stop_id_may_be_forced(loop: Loop) -> None:
    request = ask(PROMPT, build_constraint=lambda: Script([7], [0], [9]), stop_ids=frozenset({0}))
    [ears] = loop.ask_all([request])
    assert ears.output == [7]
    assert ears.reason is FinishReason.STOP


def test_under_a_constraint_nothing_is_guessed() -> None:
    loop = Loop(ScriptedModel())
    [ears] = loop.ask_all([ask(COUNTING, build_constraint=lambda: Script(*[range(97)] * 9))])
    assert ears.output == list(range(4, 13))
    assert loop.core.counters.num_guessed == 0


def test_each_sample_has_its_own_constraint(loop: Loop) -> None:
    scripts: list[Script] = []

    def build() -> Script:
        scripts.append(Script(range(50), [7], range(50)))
        return scripts[-1]

    [ears] = loop.ask_all(
        [ask(PROMPT, build_constraint=build, num_samples=3, temperature=1.0, seed=1)]
    )
    assert [script.taken for script in scripts] == [ears.outputs[n] for n in range(3)]


def test_a_constraint_ends_the_output_though_every_token_has_a_logprob(loop: Loop) -> None:
    request = ask(PROMPT, build_constraint=lambda: Script([7], [8, 9]), num_logprobs=1)
    [ears] = loop.ask_all([request])
    assert ears.output[0] == 7
    assert len(ears.output) == 2
    assert ears.reason is FinishReason.STOP
    assert all(choice.logprob is not None for choice in ears.choices[0])


@pytest.mark.parametrize("method", ["forced", "mask", "advance", "is_finished"])
def test_a_constraint_that_fails_ends_its_own_request_only(
    loop: Loop, model: RecallModel, method: str
) -> None:
    free = ask(PROMPT, max_tokens=6)
    script = Script(*[range(97)] * 5, fails_in=[method])
    ears, other = loop.ask_all([ask(PROMPT[1:], build_constraint=lambda: script), free])
    assert ears.end == Finished(
        0, FinishReason.ERROR, error="ValueError: the grammar grew too complex"
    )
    assert other.output == uncached(model, free)


def test_a_constraint_that_cannot_be_built_ends_its_own_request_only(
    loop: Loop, model: RecallModel
) -> None:
    def build() -> Script:
        raise ValueError("no such grammar")

    free = ask(PROMPT, max_tokens=6)
    other, ears = loop.ask_all([free, ask(PROMPT, build_constraint=build, num_samples=3)])
    assert [ears.ends[n].reason for n in range(3)] == [FinishReason.ERROR] * 3
    assert ears.end.error == "ValueError: no such grammar"
    assert other.output == uncached(model, free)


# log-probabilities


@pytest.mark.parametrize("lookup", [True, False])
def test_log_probabilities_are_the_models_own(model: RecallModel, *, lookup: bool) -> None:
    request = ask(PROMPT, num_logprobs=3, temperature=0.8, max_tokens=8)
    [ears] = Loop(model, lookup=lookup).ask_all([request])
    tokens = list(PROMPT)
    for choice in ears.choices[0]:
        row = model.remember(tokens)[0].log_softmax(-1)
        likeliest = row.topk(3).values.tolist()
        assert choice.logprob == pytest.approx(float(row[choice.token]), abs=1e-5)
        assert [p for _, p in choice.alternatives] == pytest.approx(likeliest, abs=1e-5)
        tokens.append(choice.token)


def test_without_asking_there_are_none(loop: Loop) -> None:
    [ears] = loop.ask_all([ask(PROMPT, max_tokens=2)])
    assert all(choice.logprob is None for choice in ears.choices[0])


# deadlines


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def steps_before_the_deadline(
    deadlines: Deadlines, *, late_at: int, max_sequences: int = 8
) -> Ears:
    """Time runs out after `late_at` steps of a prompt that needs three, beside a longer answer."""
    clock = Clock()
    loop = Loop(RecallModel(), clock=clock, max_batch_tokens=8, max_sequences=max_sequences)
    other = loop.ask(ask([1, 2], max_tokens=40))
    ears = loop.ask(ask(PROMPT, deadlines=deadlines, max_tokens=20))
    for _ in range(late_at):
        loop.core.step()
    clock.now = 10.0
    loop.run()
    assert len(other.output) == 40
    return ears


def test_a_deadline_for_the_queue_matters_only_there() -> None:
    deadlines = Deadlines(queue_s=5)
    waited = steps_before_the_deadline(deadlines, late_at=4, max_sequences=1)
    assert (waited.reason, waited.output) == (FinishReason.DEADLINE, [])
    begun = steps_before_the_deadline(deadlines, late_at=2)
    assert begun.reason is FinishReason.LENGTH


def test_a_deadline_for_the_first_token_matters_until_it_comes() -> None:
    deadlines = Deadlines(first_token_s=5)
    late = steps_before_the_deadline(deadlines, late_at=2)
    assert (late.reason, late.output) == (FinishReason.DEADLINE, [])
    in_time = steps_before_the_deadline(deadlines, late_at=5)
    assert in_time.reason is FinishReason.LENGTH


def test_a_deadline_for_the_whole_ends_an_answer_in_the_middle() -> None:
    late = steps_before_the_deadline(Deadlines(total_s=5), late_at=6)
    assert late.reason is FinishReason.DEADLINE
    assert 0 < len(late.output) < 20


# cancellation


@pytest.mark.parametrize("num_steps", range(8))
def test_a_request_may_be_cancelled_at_any_step(model: RecallModel, num_steps: int) -> None:
    loop = Loop(model, max_batch_tokens=8, num_pages=8)
    ears, sequences = Ears(), list[Sequence]()
    request = ask(PROMPT, max_tokens=20, num_samples=3, temperature=1.0)
    loop.core.add(request, ears, sequences)
    free = ask(PROMPT[:4], max_tokens=30)
    other = loop.ask(free)
    for _ in range(num_steps):
        loop.core.step()
    loop.core.cancel(sequences)
    loop.check()
    loop.core.cancel(sequences)  # twice does no harm
    assert {end.reason for end in ears.ends.values()} == {FinishReason.CANCELLED}
    assert len(ears.ends) == 3
    loop.run()
    assert other.output == uncached(model, free)
    for number, output in ears.outputs.items():
        assert output == uncached(model, request, sample=number)[: len(output)]


def test_one_sample_may_be_cancelled_alone(loop: Loop, model: RecallModel) -> None:
    ears, sequences = Ears(), list[Sequence]()
    request = ask(PROMPT, max_tokens=6, num_samples=3, temperature=1.0)
    loop.core.add(request, ears, sequences)
    loop.core.cancel(sequences[:1])  # which was to compute the prompt for all
    loop.run()
    assert [ears.ends[n].reason for n in range(3)] == ["cancelled", "length", "length"]
    assert ears.outputs == {n: uncached(model, request, sample=n) for n in (1, 2)}


# faults


def test_a_failed_step_ends_what_lives_and_the_next_request_is_served(
    loop: Loop, model: RecallModel
) -> None:
    heard = [loop.ask(ask(PROMPT, max_tokens=9, num_samples=n, temperature=n)) for n in (1, 2)]
    model.fails_in = {4}
    with pytest.raises(RuntimeError, match="went away"):
        loop.run()
    loop.core.fail("the accelerator went away")
    loop.check_idle()
    ends = [end for ears in heard for end in ears.ends.values()]
    assert len(ends) == 3
    assert {(end.reason, end.error) for end in ends} == {
        (FinishReason.ERROR, "the accelerator went away")
    }
    request = ask(PROMPT, max_tokens=9)
    assert loop.ask_all([request])[0].output == uncached(model, request)


class DeafEars(Ears):
    """Notes what it hears and then fails, for the events that `fails_on` picks."""

    def __init__(self, fails_on: Callable[[Event], bool]) -> None:
        super().__init__()
        self._fails_on = fails_on

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if self._fails_on(event):
            raise OSError("the client is gone")


@pytest.mark.parametrize("kinds", [("Emitted",), ("Finished",), ("Emitted", "Finished")])
@pytest.mark.parametrize("options", [{}, {"build_constraint": lambda: Script([7], range(97))}])
def test_a_listener_that_fails_harms_nobody_else(
    loop: Loop, model: RecallModel, kinds: tuple[str, ...], options: dict[str, Any]
) -> None:
    ears = DeafEars(lambda event: type(event).__name__ in kinds)
    free = ask(PROMPT, max_tokens=6)
    other = loop.ask(free)
    loop.core.add(ask(PROMPT, max_tokens=5, num_samples=2, **options), ears, [])
    loop.run()
    assert sorted(ears.ends) == [0, 1]
    if "Emitted" in kinds:
        # nobody hears the rest, so nothing is computed for it
        assert {end.reason for end in ears.ends.values()} == {FinishReason.ERROR}
        assert [len(output) for output in ears.outputs.values()] == [1, 1]
    assert other.output == uncached(model, free)


# figures


def test_counters_count(model: RecallModel) -> None:
    loop = Loop(model, max_batch_tokens=10, lookup=False)
    request = ask(PROMPT, max_tokens=5)
    loop.ask_all([request])
    loop.ask_all([request])
    counters = loop.core.counters
    assert counters.num_prompt_tokens == 42
    assert counters.num_reused_tokens == 16
    assert counters.num_generated_tokens == 10
    assert counters.num_steps == model.num_calls == (3 + 4) + (1 + 4)
    assert counters.num_preemptions == counters.num_guessed == counters.num_accepted == 0


def test_a_step_says_how_many_tokens_it_computed(loop: Loop) -> None:
    assert loop.core.step() == 0
    loop.ask(ask(PROMPT, max_tokens=2))
    assert loop.core.step() == len(PROMPT)
    assert loop.core.step() == 1
    assert loop.core.step() == 0
