"""Which failures may go away by themselves, and how often each is tried. Tries nothing itself.

The one place that tells transient from permanent. Whatever is not named here is permanent: what a
file is to blame for stays so, and trying a bug again does not mend it.
"""

import errno
from dataclasses import dataclass
from typing import Final

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from core.errors import BlobStoreUnavailableError
from ingestion.errors import (
    IngestionInterruptedError,
    MemoryShortError,
    ParserCrashedError,
    StorageFullError,
)


@dataclass(frozen=True, slots=True)
class Patience:
    """How often work is tried in all, and the pause before the second try; it doubles each time."""

    max_tries: int
    first_pause_s: float

    def pause_s(self, num_failures: int) -> float:
        """The pause after that many failures in a row, the first one being 1."""
        return min(self.first_pause_s * 2.0 ** (num_failures - 1), _MAX_PAUSE_S)


_MAX_PAUSE_S: Final = 600.0
NONE: Final = Patience(max_tries=1, first_pause_s=0.0)
# A busy database, a broken connection: over in seconds.
_HICCUP: Final = Patience(max_tries=6, first_pause_s=1.0)
# A full disk or memory, a store that is away: somebody has to do something, or another program has
# to end.
_SHORTAGE: Final = Patience(max_tries=5, first_pause_s=30.0)
# Perhaps the file, perhaps the machine; the third time it was the file.
_DOUBT: Final = Patience(max_tries=3, first_pause_s=1.0)

_SHORT: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.ENFILE})
# PyTorch has no exception of its own for it; this is what its allocator of the processor says.
_TORCH_SAYS: Final = "can't allocate memory"
_BROKEN: Final = frozenset(
    {errno.EIO, errno.ESTALE, errno.EAGAIN, errno.EINTR, errno.ETIMEDOUT, errno.EBUSY}
)


def patience_with(error: BaseException) -> Patience:
    """How an error of ingestion is met; `NONE` for what is permanent."""
    if isinstance(error, StorageFullError | BlobStoreUnavailableError) or is_short_of_memory(error):
        return _SHORTAGE
    if isinstance(error, ParserCrashedError | IngestionInterruptedError | FileNotFoundError):
        return _DOUBT
    if isinstance(error, OperationalError | InterfaceError | PoolTimeoutError | ConnectionError):
        return _HICCUP
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return _HICCUP
    if isinstance(error, TimeoutError):
        return _HICCUP
    if isinstance(error, OSError):
        return _of_the_system(error)
    return NONE


def is_short_of_memory(error: BaseException) -> bool:
    """Whether the machine, or what this process may have of it, had no memory left."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, RuntimeError):
        return _TORCH_SAYS in str(error)
    return isinstance(error, MemoryError | MemoryShortError)


def _of_the_system(error: OSError) -> Patience:
    if error.errno in _SHORT:
        return _SHORTAGE
    return _HICCUP if error.errno in _BROKEN else NONE
