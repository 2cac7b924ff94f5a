"""A worker as a process of its own, with a slow fake embedder: for tests that kill it."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.ids import WorkerId
from ingestion.worker import run_worker
from ingestion.workers import Workers
from tests.unit.ingestion.house import HookedEmbedder, House


class SlowEmbedder(HookedEmbedder):
    """Takes a moment for every batch."""

    def __init__(self, batch_s: float) -> None:
        super().__init__()
        self._batch_s = batch_s

    def embed_passages(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed N passages -> (N, D)."""
        time.sleep(self._batch_s)
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


def main(data_dir: str, batch_s: str, parent_pid: str, timeout_s: str, voice: str) -> None:
    """Work until told to stop."""
    house = MuteHouse(Path(data_dir)) if voice == "mute" else House(Path(data_dir))
    house.embedder = SlowEmbedder(float(batch_s))
    run_worker(house.worker(timeout_s=float(timeout_s)), parent_pid=int(parent_pid))


if __name__ == "__main__":
    main(*sys.argv[1:])
