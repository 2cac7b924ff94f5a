"""Clients of a service whose processes are killed: each tries again, and remembers what it saw.

A question counts as accepted once its id was told, in `passages`. From then on it is owed exactly
one last event: where the connection breaks off, the client asks the next process for it.
"""

import json
import random
import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from benchmarks.crash_ledger import Ledger

_LAST: Final = frozenset({"done", "error", "cancelled"})
_MARKER: Final = re.compile(r"zx\d\ds(\d+)v\d{4}q")
_TRIES: Final = 8
_FIRST_PAUSE_S: Final = 0.5
_MAX_PAUSE_S: Final = 5.0
_OWED_WITHIN_S: Final = 180.0
_AGAIN: Final = frozenset({429, 502, 503, 504})
QUESTION: Final = "What is the word of this version?"

Event = tuple[str, str, Any]
"""Name, id and data."""


@dataclass
class Seen:
    """What clients saw, all together. Thread-safe."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    # of each accepted question: the last events that came
    ends: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    seconds: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str) -> None:
        """Count something."""
        with self.lock:
            self.counts[what] += 1

    def blame(self, fault: str) -> None:
        """Note what must not be."""
        with self.lock:
            self.faults.append(fault)


class Client:
    """One caller with the key of one collection, who knows every process that answers."""

    def __init__(
        self,
        urls: Sequence[str],
        key: str,
        ledger: Ledger,
        seen: Seen,
        *,
        collection: str,
        seed: int,
    ) -> None:
        self._urls = list(urls)
        self._ledger = ledger
        self._seen = seen
        self._collection = collection
        # its documents' markers bear it
        self._owner = str(seed)
        self._rng = random.Random(seed)  # noqa: S311 - no secret
        self._http = httpx2.Client(headers={"Authorization": f"Bearer {key}"}, timeout=60)

    def request(self, method: str, url: str, **options: Any) -> httpx2.Response:
        """Send it until somebody takes it. Raises what the last try came to."""
        self._seen.count("requests")
        for pause_s in self._pauses():
            try:
                response = self._http.request(method, self._url() + url, **options)
            except httpx2.TransportError:
                self._seen.count("cut_off")
            else:
                if response.status_code not in _AGAIN:
                    return response
                self._seen.count(f"status_{response.status_code}")
            time.sleep(pause_s)
        self._seen.count("requests_failed")
        raise httpx2.ConnectError(f"{method} {url} found nobody")

    def search(self) -> None:
        """Search, and look at every passage."""
        dead = frozenset(self._ledger.dead)
        body = {"query": QUESTION, "top_k": 10}
        response = self.request("POST", "/v1/search", json=body)
        response.raise_for_status()
        self._seen.count("searches")
        self._look_at(response.json()["passages"], dead)

    def ask(self) -> None:
        """Ask until the question is answered; a refusal is an answer."""
        self._seen.count("questions")
        started_s = time.monotonic()
        for pause_s in self._pauses():
            ended = self._ask_once()
            self._seen.count(f"ended_{ended}")
            if ended == "done":
                with self._seen.lock:
                    self._seen.seconds.append(time.monotonic() - started_s)
                return
            time.sleep(pause_s)
        self._seen.count("questions_failed")

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def _ask_once(self) -> str:
        """How it ended; "not_accepted" where nobody took it."""
        reading = _Reading(frozenset(self._ledger.dead))
        body = {"question": QUESTION, "stream": True}
        try:
            with self._http.stream("POST", self._url() + "/v1/answer", json=body) as response:
                if response.status_code == httpx2.codes.OK:
                    self._read(response, reading)
        except httpx2.TransportError:
            self._seen.count("cut_off")
        if reading.answer_id is None:
            return reading.end or "not_accepted"
        deadline_s = time.monotonic() + _OWED_WITHIN_S
        while reading.end is None:
            if time.monotonic() > deadline_s:
                self._seen.blame(f"{reading.answer_id} never ended")
                return "never"
            self._resume(reading)
        return reading.end

    def _resume(self, reading: "_Reading") -> None:
        self._seen.count("resumed")
        path = f"/v1/answers/{reading.answer_id}/events"
        headers = {"Last-Event-ID": reading.last_id}
        try:
            with self._http.stream("GET", self._url() + path, headers=headers) as response:
                if response.status_code == httpx2.codes.OK:
                    self._read(response, reading)
                elif response.status_code == httpx2.codes.NOT_FOUND:
                    self._seen.blame(f"{reading.answer_id} was accepted, and nobody knows it")
                    reading.end = "lost"
        except httpx2.TransportError:
            self._seen.count("cut_off")
            time.sleep(_FIRST_PAUSE_S)

    def _read(self, response: httpx2.Response, reading: "_Reading") -> None:
        for name, event_id, data in _events(response):
            reading.last_id = event_id or reading.last_id
            if name == "passages":
                reading.answer_id = data["id"]
                self._look_at(data["passages"], reading.dead)
            if name == "done":
                self._check_quotes(data)
            if name in _LAST:
                reading.end = data["code"] if name == "error" else name
                if reading.answer_id is not None:
                    with self._seen.lock:
                        self._seen.ends[reading.answer_id].append(name)

    def _look_at(self, passages: Sequence[Mapping[str, Any]], dead: frozenset[str]) -> None:
        for passage in passages:
            self._seen.count("passages")
            if passage["collection"] != self._collection:
                self._seen.blame(f"a passage of {passage['collection']} for {self._collection}")
            for marker in _MARKER.finditer(passage["text"]):
                if marker[1] != self._owner:
                    self._seen.blame(f"a foreign passage says {marker[0]}")
                if marker[0] in dead:
                    self._seen.blame(f"the deleted {marker[0]} was found")

    def _check_quotes(self, answer: Mapping[str, Any]) -> None:
        """Each quote stands in a passage of its document, to the letter, where it says."""
        for citation in answer["citations"]:
            self._seen.count("citations")
            texts = [
                passage["text"][citation["start"] - passage["start"] :]
                for passage in answer["passages"]
                if passage["document_id"] == citation["document_id"]
                and passage["start"] <= citation["start"]
            ]
            if not any(text.startswith(citation["quote"]) for text in texts):
                self._seen.blame(f"{answer['id']} cites what is not there")

    def _url(self) -> str:
        # round and round: whoever was asked last may be gone
        self._urls.append(self._urls.pop(0))
        return self._urls[-1]

    def _pauses(self) -> Iterator[float]:
        for number in range(_TRIES):
            yield min(_MAX_PAUSE_S, _FIRST_PAUSE_S * 2**number) * self._rng.uniform(0.8, 1.2)


@dataclass
class _Reading:
    """One question as far as it has been read. `dead`: what may not be found any more."""

    dead: frozenset[str]
    answer_id: str | None = None
    last_id: str = "0"
    end: str | None = None


def _events(response: httpx2.Response) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "event" in fields:
            yield fields["event"], fields.get("id", ""), json.loads(fields["data"])
            fields = {}
