"""Brings segments to this machine: small ones at once, large ones while searches go on."""

import queue
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from core.errors import BlobStoreRefusedError, BlobStoreUnavailableError, SegmentCorruptError
from core.ids import SegmentId
from core.segment_files import SegmentFiles

log = structlog.get_logger()

# Some 8 MB: a question may wait for as much.
_SMALL_VECTORS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A segment as the manifest names it."""

    id: str
    num_vectors: int
    sha256: str | None


class Fetcher:
    """One at a time, by one thread, which is there from the first large segment on. Thread-safe."""

    def __init__(self, files: SegmentFiles) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._coming: set[SegmentId] = set()
        self._queue: queue.SimpleQueue[Wanted] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        # How many have come, or failed to, since this process began.
        self.num_settled = 0

    def bring(self, segments: Iterable[Wanted], *, at_once: bool) -> None:
        """Fetch these; the large ones later, unless `at_once`. What cannot be had is in the log."""
        for wanted in segments:
            if at_once or wanted.num_vectors < _SMALL_VECTORS:
                self._fetch(wanted)
            else:
                self._fetch_later(wanted)

    def is_coming(self, segment_id: SegmentId) -> bool:
        """Whether it is on its way."""
        with self._lock:
            return segment_id in self._coming

    def _fetch(self, wanted: Wanted) -> None:
        try:
            self._files.fetch(wanted)
        except (
            BlobStoreUnavailableError,
            BlobStoreRefusedError,
            SegmentCorruptError,
            OSError,
        ) as error:
            log.warning("segment_not_fetched", segment=wanted.id, reason=str(error))

    def _fetch_later(self, wanted: Wanted) -> None:
        with self._lock:
            if SegmentId(wanted.id) in self._coming:
                return
            self._coming.add(SegmentId(wanted.id))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="fetcher", daemon=True)
                self._thread.start()
        self._queue.put(wanted)

    def _work(self) -> None:
        while True:
            wanted = self._queue.get()
            self._fetch(wanted)
            with self._lock:
                self._coming.discard(SegmentId(wanted.id))
                self.num_settled += 1
