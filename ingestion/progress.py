"""How far one attempt is: reports, their rate, and how long a stage has stood still."""

import time
from collections.abc import Callable
from typing import Final

from ingestion.attempts import Attempt, Attempts, Reading, Stage

_REPORT_EVERY_S: Final = 0.4


class Progress:
    """Reports of one attempt, thinned to a few writes a second. Also how an attempt learns that
    it is no longer wanted: every write asks.

    Times are of the monotonic clock: a clock that is set changes no rate and stalls no stage.
    """

    def __init__(
        self, attempts: Attempts, attempt: Attempt, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.attempt = attempt
        self._attempts = attempts
        self._clock = clock
        self._written: tuple[Stage, float] | None = None
        # Where the stage was when it was first reported, and where it is; with their moments.
        self._first: tuple[Stage | None, int, float] = (None, 0, clock())
        self._newest: tuple[Stage | None, int, float] = self._first

    def report(self, stage: Stage, done: int, total: int | None, unit: str | None) -> None:
        """Note how far a stage is. Raises `NoLongerWantedError`."""
        moment = self._clock()
        if stage != self._first[0]:
            self._first = (stage, done, moment)
        if (stage, done) != self._newest[:2]:
            self._newest = (stage, done, moment)
        recent = self._written is not None and moment - self._written[1] < _REPORT_EVERY_S
        if recent and self._written is not None and self._written[0] == stage and done != total:
            return
        self._written = (stage, moment)
        rate = self._rate(done, moment)
        self._attempts.report(self.attempt, Reading(stage, done, total, unit, rate))

    def wait(self) -> None:
        """Note that the stage waits for its turn, which is no standing still."""
        self._newest = (*self._newest[:2], self._clock())

    @property
    def stage(self) -> Stage | None:
        """The stage that was reported last."""
        return self._newest[0]

    @property
    def still_s(self) -> float:
        """For how long the stage has stood still."""
        return self._clock() - self._newest[2]

    def _rate(self, done: int, moment: float) -> float | None:
        _, first, since = self._first
        return (done - first) / (moment - since) if done > first and moment > since else None
