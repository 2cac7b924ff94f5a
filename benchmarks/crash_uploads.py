"""Uploads, replacements and deletions at random; the ledger has each that was acknowledged."""

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol

import httpx2

from benchmarks.crash_ledger import Attempted, Ledger, Promise, new_marker


class Send(Protocol):
    """Sends one request, as `httpx2.Client.request` does."""

    def __call__(
        self, method: str, url: str, *, files: Mapping[str, tuple[str, bytes]] | None = None
    ) -> httpx2.Response: ...


class Uploader:
    """One client that changes the documents of one collection. For one thread."""

    def __init__(
        self,
        send: Send,
        ledger: Ledger,
        find_id: Callable[[str], str],
        *,
        seed: int,
        collection: str = "default",
    ) -> None:
        """find_id: the document of that name, which is there."""
        self._send = send
        self._ledger = ledger
        self._find_id = find_id
        self._path = f"/v1/collections/{collection}/documents"
        self._rng = random.Random(seed)  # noqa: S311 - the same run again, no secret
        self._seed = seed
        self.counts: Counter[str] = Counter()

    def act(self) -> None:
        """Upload, replace, repeat or delete one document, as a client does."""
        name, promise = self._rng.choice(list(self._ledger.promises.items()))
        if promise.sha256 is not None and self._rng.random() < 0.3:
            self.delete(name)
        else:
            self.upload(name, promise)

    def upload(self, name: str, promise: Promise) -> None:
        """Upload another version, or sometimes the same one again."""
        self.counts["uploads"] += 1
        marker = new_marker(name, self.counts["uploads"], self._seed)
        if promise.marker is not None and self._rng.random() < 0.2:
            marker = promise.marker
        data = promise.original.version(marker)
        sha256 = hashlib.sha256(data).hexdigest()
        self._ledger.attempted = Attempted(name, sha256, marker)
        response = self._send("POST", self._path, files={"file": (name, data)})
        response.raise_for_status()
        self.counts["deduplicated"] += response.json()["deduplicated"]
        self._ledger.acknowledge(name, sha256, marker)

    def delete(self, name: str) -> None:
        """Delete a document that was acknowledged."""
        self.counts["deletions"] += 1
        document_id = self._find_id(name)
        self._ledger.attempted = Attempted(name, None, None)
        response = self._send("DELETE", f"/v1/documents/{document_id}")
        # a client that tries again may find that its first try was heard
        if response.status_code != httpx2.codes.NOT_FOUND:
            response.raise_for_status()
        self._ledger.acknowledge(name, None, None)
