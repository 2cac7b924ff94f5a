"""A worker as a process of its own, with a slow fake embedder: for tests that kill it."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingestion.parsing.sandbox import Sandbox
from ingestion.worker import run_worker
from ingestion.worker_lock import WorkerLock
from ingestion.workflow import IngestionWorker
from tests.unit.ingestion.house import LIMITS, HookedEmbedder, House


class SlowEmbedder(HookedEmbedder):
    """Takes a moment for every batch."""

    def __init__(self, batch_s: float) -> None:
        super().__init__()
        self._batch_s = batch_s

    def embed_passages(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed N passages -> (N, D)."""
        time.sleep(self._batch_s)
        return super().embed_passages(texts)


def main(data_dir: str, batch_s: str, parent_pid: str) -> None:
    """Work until told to stop."""
    house = House(Path(data_dir))
    house.embedder = SlowEmbedder(float(batch_s))
    worker = IngestionWorker(house.jobs_url, house.store, house.stages(Sandbox(LIMITS)))
    run_worker(worker, WorkerLock(house.data_dir), parent_pid=int(parent_pid), wait_for_lock_s=5.0)


if __name__ == "__main__":
    main(*sys.argv[1:])
