"""Work on documents spread over the cluster while this process waits for their ends."""

import threading
from types import TracebackType
from typing import Final, Self

from app.fleet.on_ray.bulk import Spread, ingest_open
from core.errors import CimientoError
from ingestion.attempts import Attempts
from ingestion.index_keeper import IndexDuty, Tidying
from ingestion.store import Store
from ingestion.workers import Workers

_STOP_WITHIN_S: Final = 5.0


class SpreadWork:
    """Works off what is open inside a block. `check` raises what ended it before its time.

    A document publishes a segment of its own, and this process merges them meanwhile: on a cluster
    that only ingests in bulk nobody else does.
    """

    def __init__(self, store: Store, workers: Workers, spread: Spread) -> None:
        self._attempts = Attempts(store)
        self._workers = workers
        self._spread = spread
        self._stopping = threading.Event()
        self._error: CimientoError | None = None
        self._thread = threading.Thread(target=self._work, name="fleet-ingest", daemon=True)
        self._tidying = IndexDuty(store, Tidying(), name="index-tidying")

    def __enter__(self) -> Self:
        self._thread.start()
        self._tidying.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._tidying.stop()
        self._tidying.join(_STOP_WITHIN_S)
        # a round under way ends with this process: what it has in hand stays open
        self._thread.join(_STOP_WITHIN_S)

    def check(self) -> None:
        """Raise FleetFailedError where the cluster gave the work up."""
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            ingest_open(self._attempts, self._workers, self._spread, self._stopping)
        except CimientoError as error:
            self._error = error
