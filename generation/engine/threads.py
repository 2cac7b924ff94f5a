"""How many CPU threads a step should use, measured as it goes. Only the engine's thread asks.

Two threads halve a step on an idle machine. Beside another busy process they can take far longer
than one: each waits, hundreds of times a step, for a neighbour that has no core. So both counts are
tried now and again on steps of the same size, and the quicker one is kept.
"""

import statistics
import time
from collections.abc import Callable
from typing import Final

import torch

_STEPS_A_TRIAL: Final = 3
_FIRST_INTERVAL: Final = 16  # steps between trials, doubled while trials change nothing
_MAX_INTERVAL: Final = 1024
# prompts are read in steps of every size, which cannot be compared
_MAX_TOKENS: Final = 16
# a count must be this much quicker to replace the present one, so that noise does not
_MARGIN: Final = 0.9
# a step this much slower than its kind was asks for a trial at once
_ALARM: Final = 2.5


class ThreadChooser:
    """`num_threads` fixes the count; None measures one thread against all that torch would take."""

    def __init__(
        self, num_threads: int | None, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        most = num_threads or torch.get_num_threads()
        self._counts = (most,) if num_threads or most == 1 else (most, 1)
        self._clock = clock
        self._chosen = most
        self._interval = _FIRST_INTERVAL
        self._num_since_trial = 0
        self._trial: dict[int, list[float]] | None = None
        self._num_tokens = 0  # of a step in the trial
        self._usual_s: dict[int, float] = {}  # by tokens of a step, with the chosen count
        self.current = most

    def run(self, step: Callable[[], int]) -> int:
        """Run a step, which returns how many tokens it computed, with the count of the moment."""
        torch.set_num_threads(self.current)
        start = self._clock()
        num_tokens = step()
        if len(self._counts) > 1 and 0 < num_tokens <= _MAX_TOKENS:
            self._learn(num_tokens, self._clock() - start)
        return num_tokens

    def _learn(self, num_tokens: int, step_s: float) -> None:
        if self._trial is None:
            self._num_since_trial += 1
            usual_s = self._usual_s.setdefault(num_tokens, step_s)
            if step_s > _ALARM * usual_s or self._num_since_trial >= self._interval:
                self._begin_trial(num_tokens)
            return
        if num_tokens != self._num_tokens:
            self._begin_trial(num_tokens)
            return
        times = self._trial[self.current]
        times.append(step_s)
        if len(times) == _STEPS_A_TRIAL:
            untried = [count for count, times in self._trial.items() if not times]
            if untried:
                self.current = untried[0]
            else:
                self._end_trial(self._trial)

    def _begin_trial(self, num_tokens: int) -> None:
        self._num_tokens = num_tokens
        self._trial = {count: [] for count in self._counts}
        self.current = self._chosen

    def _end_trial(self, trial: dict[int, list[float]]) -> None:
        step_s = {count: statistics.median(times) for count, times in trial.items()}
        best = min(step_s, key=step_s.__getitem__)
        if best != self._chosen and step_s[best] < _MARGIN * step_s[self._chosen]:
            self._chosen = best
            self._interval = _FIRST_INTERVAL
            self._usual_s.clear()
        else:
            self._interval = min(2 * self._interval, _MAX_INTERVAL)
        self._usual_s[self._num_tokens] = step_s[self._chosen]
        self.current = self._chosen
        self._trial = None
        self._num_since_trial = 0
