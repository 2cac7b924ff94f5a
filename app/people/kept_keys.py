"""Keys that were looked up, for as long as nothing has changed. Makes no key; keeps no secret."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar

from core.database import Database
from core.idle_connections import CommitMark
from core.tables import now

_MAX_KEPT: Final = 1_000

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class _Kept(Generic[Found]):
    mark: CommitMark
    expires_at: datetime | None
    found: Found


class KeptKeys(Generic[Found]):
    """What was found behind digests of keys. Thread-safe.

    Whatever is committed by anybody, in this process or another, makes all of it worthless at once:
    a revoked key, a disabled account and a collection that is no longer shared count with the next
    request. On PostgreSQL, which does not tell of commits, nothing is kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept[Found]] = OrderedDict()

    def find(self, digest: str) -> Found | None:
        """What is still known of a key; None where the database must be asked. Never waits."""
        with self._lock:
            kept = self._kept.get(digest)
        if kept is None or kept.mark != self._database.commit_mark():
            return None
        has_expired = kept.expires_at is not None and kept.expires_at <= now()
        return None if has_expired else kept.found

    def look_up(
        self, digest: str, read: Callable[[], tuple[Found, datetime | None] | None]
    ) -> Found | None:
        """What `read` finds, which says when it expires; kept until somebody commits something."""
        # before the read: what is committed after it makes what was read worthless
        mark = self._database.commit_mark()
        found = read()
        if found is None:
            return None
        if mark is not None:
            self._keep(digest, _Kept(mark, found[1], found[0]))
        return found[0]

    def _keep(self, digest: str, kept: _Kept[Found]) -> None:
        with self._lock:
            self._kept[digest] = kept
            self._kept.move_to_end(digest)
            if len(self._kept) > _MAX_KEPT:
                self._kept.popitem(last=False)
