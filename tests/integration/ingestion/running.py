"""A house at work: workers as processes of their own, and what has become of its jobs."""

import contextlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.unit.ingestion.house import EVERYTHING, House

ROOT = Path(__file__).parents[3]


@contextlib.contextmanager
def worker_process(
    house: House, *, batch_s: float = 0.05, timeout_s: float = 60.0, manner: str = "clear"
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a process of its own, killed at the end of the block."""
    command = [sys.executable, "-m", "tests.integration.ingestion.worker_process"]
    process = subprocess.Popen(
        [*command, str(house.data_dir), str(batch_s), str(os.getpid()), str(timeout_s), manner],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def states(house: House) -> Counter[str]:
    """How many jobs are in each state."""
    return Counter(job.state for job in house.jobs.list(EVERYTHING))


def all_ended(house: House) -> bool:
    """Whether every job has come to its end."""
    return not house.attempts.list_open()
