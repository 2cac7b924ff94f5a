"""A worker as a process of its own, with a slow fake embedder: for tests that kill it.

Its manner is clear; or mute, so that it never says that it lives; or that of a worker whose disk is
slow, or whose parser does what files say.
"""

import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.ids import WorkerId
from ingestion.parsing.sandbox import Sandbox
from ingestion.worker import run_worker
from ingestion.workers import Workers
from tests.slow_disk import slow_disk
from tests.unit.ingestion.house import LIMITS, HookedEmbedder, House

HOSTILE = "tests.integration.ingestion.hostile_parser"
_WRITE_S = 0.1


class SlowEmbedder(HookedEmbedder):
    """Takes a moment for every batch, and a gigabyte for one that speaks of hunger."""

    def __init__(self, batch_s: float) -> None:
        super().__init__()
        self._batch_s = batch_s

    def embed_passages(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed N passages -> (N, D)."""
        time.sleep(self._batch_s)
        if any("hunger" in text for text in texts):
            # written to, so that it is there
            np.ones(1 << 27, dtype=np.float64)
        return super().embed_passages(texts)


class MuteWorkers(Workers):
    """Never says that it lives, and so is given up, while it works on."""

    def renew(self, worker_id: WorkerId) -> None:
        """Say nothing."""


class MuteHouse(House):
    """A data folder as a mute worker sees it."""

    def workers(self, *, timeout_s: float = 60.0) -> Workers:
        """Who works here."""
        return MuteWorkers(self.database, self.data_dir / "workers", timeout_s=timeout_s)


def main(data_dir: str, batch_s: str, parent_pid: str, timeout_s: str, manner: str) -> None:
    """Work until told to stop."""
    house = MuteHouse(Path(data_dir)) if manner == "mute" else House(Path(data_dir))
    house.embedder = SlowEmbedder(float(batch_s))
    sandbox = Sandbox(LIMITS, child_module=HOSTILE) if manner == "hostile-parser" else None
    worker = house.worker(sandbox, timeout_s=float(timeout_s))
    is_slow = manner == "slow-disk"
    with slow_disk(lambda _what: time.sleep(_WRITE_S)) if is_slow else nullcontext():
        run_worker(worker, parent_pid=int(parent_pid))


if __name__ == "__main__":
    main(*sys.argv[1:])
