"""One thread that computes on a fixed number of cores, for callers on any. Decides nothing else.

GNU OpenMP gives every thread that computes a team of its own, and as soon as all teams together
have more threads than there are cores, every team waits asleep: the steps of the answering model
then take two to three times as long (benchmarks/LOG.md). A thread on one core has no team.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import torch

T = TypeVar("T")


class ComputeThread:
    """Runs one piece of work at a time, in the order in which it was given. Thread-safe."""

    def __init__(self, name: str, *, num_threads: int | None) -> None:
        """`num_threads` of the thread's team; None takes as many as torch would."""
        usual = torch.get_num_threads()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self.run(partial(_take_threads, num_threads or usual))
        # Torch gives the last count to threads that begin later as well: theirs stays as it was.
        torch.set_num_threads(usual)

    def run(self, work: Callable[[], T]) -> T:
        """Wait for the work to be done; its exception is raised here."""
        return self.submit(work).result()

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        """Have the work done behind what was given before it."""
        return self._executor.submit(work)


def _take_threads(num_threads: int) -> None:
    # asked first: a thread's first question sets its count to the one that all threads begin with
    torch.get_num_threads()
    torch.set_num_threads(num_threads)
