"""How many threads: the quicker count is found, kept while it is, and given up when it is not."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

import pytest
import torch

from generation.engine.threads import ThreadChooser

TRIAL = 2 * 3  # steps in which both counts are tried


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


class Machine:
    """Steps take as long as the number of threads says; it remembers the counts that were used."""

    def __init__(self, seconds: Mapping[int, float], *, fixed: int | None = None) -> None:
        self.now = 0.0
        self.seconds = dict(seconds)
        self.used: list[int] = []
        self.chooser = ThreadChooser(fixed, clock=lambda: self.now)

    def run(self, num_steps: int, *, num_tokens: int = 1) -> list[int]:
        """The counts that these steps were run with."""
        for _ in range(num_steps):
            assert self.chooser.run(lambda: self._step(num_tokens)) == num_tokens
        return self.used[-num_steps:]

    def _step(self, num_tokens: int) -> int:
        num_threads = torch.get_num_threads()
        assert num_threads == self.chooser.current
        self.used.append(num_threads)
        self.now += self.seconds[num_threads] * max(1, num_tokens)
        return num_tokens

    def steps_between_trials(self, num_steps: int) -> list[int]:
        """Run, and tell how long one count was kept each time before the other was tried."""
        used = self.run(num_steps)
        changes = [at for at in range(1, num_steps) if used[at] != used[at - 1]]
        leaving = changes[::2]  # from the chosen to the other, and back
        return [after - before for before, after in pairwise(leaving)]


def test_all_threads_are_used_at_first_and_kept_while_they_are_quicker() -> None:
    machine = Machine({2: 1.0, 1: 1.8})
    used = machine.run(200)
    assert set(used[:16]) == {2}
    assert 1 in used  # it was tried
    assert used.count(1) < 20
    assert machine.chooser.current == 2


def test_one_thread_is_kept_where_it_is_quicker() -> None:
    machine = Machine({2: 1.0, 1: 0.7})
    machine.run(16 + TRIAL)
    assert machine.chooser.current == 1
    assert machine.run(200).count(2) < 20


def test_all_threads_come_back_when_the_machine_is_free_again() -> None:
    machine = Machine({2: 1.0, 1: 0.7})
    machine.run(30)
    assert machine.chooser.current == 1
    machine.seconds[2] = 0.4
    machine.run(100)
    assert machine.chooser.current == 2


def test_a_small_gain_is_noise() -> None:
    machine = Machine({2: 1.0, 1: 0.95})
    machine.run(300)
    assert machine.chooser.current == 2


def test_one_slow_step_of_a_trial_does_not_decide_it() -> None:
    machine = Machine({2: 1.0, 1: 1.8})
    machine.run(17)
    machine.seconds[2] = 50.0
    machine.run(1)
    machine.seconds[2] = 1.0
    machine.run(30)
    assert machine.chooser.current == 2


def test_trials_become_rarer_while_they_change_nothing() -> None:
    gaps = Machine({2: 1.0, 1: 1.8}).steps_between_trials(400)
    assert [gap - TRIAL for gap in gaps] == [32, 64, 128]


def test_trials_never_become_rarer_than_the_limit() -> None:
    gaps = Machine({2: 1.0, 1: 1.8}).steps_between_trials(6000)
    assert [gap - TRIAL for gap in gaps[-2:]] == [1024, 1024]


def test_a_suddenly_slow_step_asks_for_a_trial_at_once() -> None:
    machine = Machine({2: 1.0, 1: 1.5})
    machine.run(100)  # the next trial is far away
    machine.seconds[2] = 5.0
    assert 1 in machine.run(1 + TRIAL)
    assert machine.chooser.current == 1


def test_steps_of_different_sizes_are_not_compared() -> None:
    machine = Machine({2: 1.0, 1: 1.5})
    for _ in range(30):
        machine.run(1, num_tokens=1)
        machine.run(1, num_tokens=7)  # seven times as slow, and as quick as ever
    assert set(machine.used[:15]) == {2}
    assert machine.chooser.current == 2


def test_prompts_and_idle_turns_teach_nothing() -> None:
    machine = Machine({2: 1.0, 1: 0.1})
    machine.run(100, num_tokens=200)
    machine.run(100, num_tokens=0)
    assert set(machine.used) == {2}


@pytest.mark.parametrize("fixed", [1, 2])
def test_a_fixed_count_is_never_changed(fixed: int) -> None:
    machine = Machine({2: 5.0, 1: 5.0}, fixed=fixed)
    machine.run(100)
    machine.seconds = {1: 50.0, 2: 50.0}
    machine.run(100)
    assert set(machine.used) == {fixed}


def test_with_one_thread_there_is_nothing_to_choose() -> None:
    torch.set_num_threads(1)
    machine = Machine({1: 1.0})
    assert set(machine.run(100)) == {1}
