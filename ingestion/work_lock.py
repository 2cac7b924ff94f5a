"""The lock between work on documents and tidying up. Shared by those who work; knows no queue."""

import math
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from core.locks import file_lock

_DOING: Final = "works on documents"


class WorkLock:
    """`ingest.lock` in the data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "ingest.lock"

    def working(self) -> AbstractContextManager[None]:
        """Work on a document inside the block, beside others who do; waits while one is alone."""
        return file_lock(self._path, doing=_DOING, wait_s=math.inf, shared=True)

    def alone(self) -> AbstractContextManager[None]:
        """Nobody works on a document during the block: what no row names, nobody needs.

        Raises `AlreadyRunningError` where somebody does.
        """
        return file_lock(self._path, doing=_DOING, wait_s=0.0)
