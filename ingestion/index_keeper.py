"""What the worker does for the dense index beside ingestion: mend, merge, change the model.

Any number of processes may run these duties; locks let one of them work at a time.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy import select

from core.errors import AlreadyRunningError
from core.merge_plan import choose_merge
from core.merging import Replaced, Workshop, mend, merge_once, publish_missing
from core.tables import ManifestRow
from ingestion.store import Store

log = structlog.get_logger()

_LOOK_EVERY_S: Final = 1.0
# Damage does not move the manifest, so it is looked for by the clock as well.
_LOOK_ANYWAY_S: Final = 60.0


class KeeperStoppingError(Exception):
    """The process is asked to stop: what was being built is given up, and begun again later."""


class IndexDuty:
    """A thread that does some work for the index again and again until it is told to stop."""

    def __init__(self, store: Store, work: Callable[[Workshop], object], *, name: str) -> None:
        self._work = work
        self._stopping = threading.Event()
        # One thread to compute with: whoever searches or embeds needs the others.
        self._shop = Workshop(store.database, store.segments, check=self._breathe)
        self._thread = threading.Thread(target=self._keep_working, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end soon."""
        self._stopping.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; whether it came in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _keep_working(self) -> None:
        while not self._stopping.is_set():
            try:
                self._work(self._shop)
            except AlreadyRunningError:
                pass  # another process is at it; asked again in a second
            except KeeperStoppingError:
                return
            except Exception as error:  # noqa: BLE001 - the worker loop classifies and records
                log.warning("index_duty_failed", duty=self._thread.name, error=repr(error))
            self._stopping.wait(_LOOK_EVERY_S)

    def _breathe(self) -> None:
        if self._stopping.is_set():
            raise KeeperStoppingError


class Tidying:
    """`keep_index` whenever the manifest has moved, and now and then."""

    def __init__(self) -> None:
        self._seen = -1
        self._looked_at = 0.0

    def __call__(self, shop: Workshop) -> None:
        """Look, and do what is to do."""
        with shop.database.read_scope() as session:
            generation = session.scalars(select(ManifestRow.generation)).one()
        if generation != self._seen or time.monotonic() - self._looked_at > _LOOK_ANYWAY_S:
            keep_index(shop)
            self._seen, self._looked_at = generation, time.monotonic()


def keep_index(shop: Workshop) -> None:
    """Mend what is damaged, merge while there is something to merge, publish what is in no store.

    Raises `AlreadyRunningError` where another process is at it.
    """
    with shop.lock():
        while (mended := mend(shop)) is not None:
            log.warning("index_mended", **_counts(mended))
        while (merged := merge_once(shop, choose_merge)) is not None:
            log.info("segments_merged", **_counts(merged))
        if num_published := publish_missing(shop):
            log.info("segments_published", segments=num_published)


def _counts(done: Replaced) -> dict[str, int]:
    return {"old": done.num_old, "new": done.num_new, "vectors": done.num_vectors}
