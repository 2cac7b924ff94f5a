"""What a pull reports while it works. Pure: draws nothing, knows no terminal."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Stage = Literal["waiting", "fetching", "checking", "unpacking", "converting", "verifying"]


@dataclass(frozen=True, slots=True)
class PullProgress:
    """One report: `done` never falls within a stage; `total` is None where nobody can know it."""

    model: str
    stage: Stage
    done_bytes: int
    total_bytes: int | None


ProgressListener = Callable[[PullProgress], None]


def ignore_progress(_report: PullProgress) -> None:
    """Listen to nothing: the default for callers with no screen."""


@dataclass(frozen=True, slots=True)
class StageMeter:
    """Turns byte counts of one stage into reports for the listener."""

    listener: ProgressListener
    model: str
    stage: Stage
    total_bytes: int | None

    def at(self, done_bytes: int) -> None:
        self.listener(PullProgress(self.model, self.stage, done_bytes, self.total_bytes))
