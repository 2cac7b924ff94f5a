"""Adapters at hand for requests: read from a folder when first asked for, the last few kept.

An adapter is named by the SHA-256 of its file, under which its folder keeps it, as blobs are kept:
two machines cannot mean different weights by one name, and a damaged file is noticed. Reads the
disk, not the network.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from core.blobs import blob_path, hash_file
from generation.engine.adapters import Adapter, load_adapter
from generation.engine.errors import WeightsFileError
from generation.engine.row_adapters import RowAdapter
from generation.errors import AdapterMissingError, AdapterUnusableError

_SHA256: Final = re.compile(r"[0-9a-f]{64}")

Prepare = Callable[[Adapter, str], RowAdapter]
"""Makes an adapter, of a file with this hash, fit for the model that runs."""


class Adapters(Protocol):
    """Where a completion's adapter comes from."""

    def get(self, sha256: str) -> RowAdapter:
        """Raises AdapterMissingError, and AdapterUnusableError for one that does not fit."""
        ...


class NoAdapters:
    """Of a model that nobody gave any. `reason` is what whoever asks for one is told."""

    def __init__(self, reason: str = "this model has no folder of adapters") -> None:
        self._reason = reason

    def get(self, sha256: str) -> RowAdapter:
        """Raises AdapterUnusableError."""
        raise AdapterUnusableError(f"the adapter {sha256[:12]} cannot be applied: {self._reason}")


class AdapterShelf:
    """Adapters of one model. Thread-safe.

    max_bytes: how much of them is kept in memory; the last one asked for is kept in any case, and
    those that requests are using live until these end.
    """

    def __init__(self, folder: Path, prepare: Prepare, *, max_bytes: int) -> None:
        self._folder = folder
        self._prepare = prepare
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, RowAdapter] = OrderedDict()  # asked for longest ago first

    @property
    def num_bytes(self) -> int:
        """Memory of those that are kept."""
        with self._lock:
            return sum(each.num_bytes for each in self._kept.values())

    def get(self, sha256: str) -> RowAdapter:
        """The adapter of that file. Raises AdapterMissingError and AdapterUnusableError."""
        # one is loaded at a time: each takes milliseconds, and none is loaded twice
        with self._lock:
            adapter = self._kept.pop(sha256, None) or self._load(sha256)
            self._kept[sha256] = adapter
            held = sum(each.num_bytes for each in self._kept.values())
            while held > self._max_bytes and len(self._kept) > 1:
                _sha256, dropped = self._kept.popitem(last=False)
                held -= dropped.num_bytes
            return adapter

    def _load(self, sha256: str) -> RowAdapter:
        # a name that is no hash must not lead out of the folder
        path = blob_path(self._folder, sha256) if _SHA256.fullmatch(sha256) else None
        if path is None or not path.is_file():
            raise AdapterMissingError(
                f"there is no adapter {sha256[:12]} in {self._folder}; copy it there from the "
                "machine that has it, or run 'cimiento adapters add'"
            )
        try:
            return self._prepare(_load_whole(path, sha256), sha256)
        except (WeightsFileError, OSError) as error:
            raise AdapterUnusableError(
                f"the adapter {sha256[:12]} cannot be used: {error}"
            ) from error


def _load_whole(path: Path, sha256: str) -> Adapter:
    if hash_file(path) != sha256:
        raise WeightsFileError(f"{path.name} is not what its name says; copy it again")
    return load_adapter(path)
