"""What the queue says against what is so: lost claims, workflows nobody needs. Asks nobody."""

import time
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager

from ingestion.attempts import Attempt


class Claims:
    """The durable workflows that run in this process. Thread-safe.

    Where the database goes away at the wrong moment, the queue says that a living worker has a job
    of which it never heard, or whose end it could not write down: nobody would take that over.
    """

    def __init__(self) -> None:
        self._in_hand: set[str] = set()
        self._unheard: set[str] = set()

    @contextmanager
    def holding(self, attempt: Attempt) -> Iterator[None]:
        """The attempt is in hand during the block."""
        self._in_hand.add(attempt.workflow_id)
        try:
            yield
        finally:
            self._in_hand.discard(attempt.workflow_id)

    def find_lost(self, claimed: Set[str]) -> set[str]:
        """Of what the queue says that it has, what was in hand neither now nor when last asked.

        One that was claimed a moment ago is on its way: ask again after some seconds.
        """
        unheard = set(claimed) - self._in_hand
        lost, self._unheard = unheard & self._unheard, unheard
        return lost


def find_unneeded(
    workflows: Mapping[str, float], attempts: Iterable[Attempt], *, older_than_s: float
) -> list[str]:
    """Those of the listed workflows that none of the open attempts waits for, and stood still so
    long. Ask for the attempts after the workflows: whatever was open meanwhile is among them.
    """
    before_s = time.time() - older_than_s
    needed = {attempt.workflow_id for attempt in attempts}
    return sorted(
        workflow_id
        for workflow_id, changed_s in workflows.items()
        if workflow_id not in needed and changed_s <= before_s
    )
