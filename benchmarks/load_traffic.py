"""Searches that begin at their appointed moments, and questions to fill them with.

A search that is not answered within its patience counts as late, and only so many are under way at
once: a run ends about when it should, however slow the other side is.
"""

import asyncio
import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, Self

HOST: Final = "127.0.0.1"
PATIENCE_S: Final = 10.0
_NEVER_S: Final = float("inf")
_MAX_UNDER_WAY: Final = 500
# For those that are under way behind the last appointed moment.
_LAST_ONES_S: Final = 60.0
_SEED: Final = 8
_WORD: Final = re.compile(r"[^\W\d_]{5,}")
_NUM_COMMON: Final = 1_000


@dataclass(slots=True)
class Searched:
    """What came of the searches of one kind. `seconds` are from the appointed moments, and no more
    than the patience: what is late has taken that long at least.
    """

    num_planned: int = 0
    num_answered: int = 0
    num_late: int = 0
    # sent again, for the server had closed an idle connection just as the search went over it
    num_reopened: int = 0
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def count(self, took_s: float) -> None:
        """A search was answered after so long."""
        self.seconds.append(min(took_s, PATIENCE_S))
        if took_s > PATIENCE_S:
            self.num_late += 1
        else:
            self.num_answered += 1


class Connection:
    """One kept-alive connection: a client that costs the machine next to nothing."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect."""
        return cls(*await asyncio.open_connection(HOST, port))

    async def ask(self, request: bytes) -> dict[str, Any]:
        """Send a request and read its JSON. Raises `OSError` for any status but 200."""
        self._writer.write(request)
        status, headers = await self._read_head()
        content = await self._reader.readexactly(int(headers["content-length"]))
        if status.split()[1] != "200":
            raise OSError(f"{status}: {content[:200]!r}")
        body: dict[str, Any] = json.loads(content)
        return body

    async def follow(self, request: bytes, *, begun: asyncio.Event) -> None:
        """Send a request and read its events until the server ends them."""
        self._writer.write(request)
        status, _ = await self._read_head()
        if status.split()[1] != "200":
            raise OSError(status)
        begun.set()
        while await self._reader.read(4096):
            pass

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    async def _read_head(self) -> tuple[str, dict[str, str]]:
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise
            raise ConnectionResetError("closed before a word of the reply") from error
        status, *lines = head.decode("latin-1").split("\r\n")
        return status, dict(line.lower().split(": ", 1) for line in lines if line)


def build_request(port: int, key: str, method: str, path: str, body: object = None) -> bytes:
    """A request as it goes over the wire; its connection stays open."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {HOST}:{port}",
        f"Authorization: Bearer {key}",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


def build_search(port: int, key: str, question: str) -> bytes:
    """A search as it goes over the wire."""
    return build_request(port, key, "POST", "/v1/search", {"query": question})


async def search_at_rate(port: int, requests: Sequence[bytes], rate: float) -> Searched:
    """Begin so many searches a second, whether or not earlier ones have ended.

    One that would be the 501st under way is not sent, and late: what has to be worked off behind
    the last appointed moment is bounded by that, whatever the other side can do.
    """
    searched = Searched(num_planned=len(requests))
    idle: list[Connection] = []
    under_way: set[asyncio.Task[None]] = set()
    loop = asyncio.get_running_loop()

    async def ask(request: bytes, due_s: float) -> None:
        try:
            connection = await ask_kept_alive(idle, port, request, searched)
        except (OSError, asyncio.IncompleteReadError) as error:
            searched.errors.append(f"search: {error!r}")
        except asyncio.CancelledError:
            searched.count(_NEVER_S)
            raise
        else:
            searched.count(loop.time() - due_s)
            idle.append(connection)

    begin_s = loop.time()
    for number, request in enumerate(requests):
        due_s = begin_s + number / rate
        await asyncio.sleep(max(0.0, due_s - loop.time()))
        if len(under_way) >= _MAX_UNDER_WAY:
            searched.count(_NEVER_S)
            continue
        task = asyncio.create_task(ask(request, due_s))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    if under_way:
        _, too_late = await asyncio.wait(under_way, timeout=_LAST_ONES_S)
        for task in too_late:
            task.cancel()
        await asyncio.gather(*too_late, return_exceptions=True)
    for connection in idle:
        connection.close()
    return searched


async def ask_kept_alive(
    idle: list[Connection], port: int, request: bytes, searched: Searched
) -> Connection:
    """Search over a connection from before, else over a new one; returns the one that answered.

    No server keeps a connection for ever, and a request can cross its end: a search may go again.
    """
    if idle:
        connection = idle.pop()
        try:
            await _search(connection, request)
        except ConnectionError:
            searched.num_reopened += 1
            connection.close()
        else:
            return connection
    connection = await Connection.open(port)
    try:
        await _search(connection, request)
    except BaseException:
        connection.close()
        raise
    return connection


async def _search(connection: Connection, request: bytes) -> None:
    body = await connection.ask(request)
    if not body["passages"]:
        raise OSError("no passages")


def different_questions(files: Sequence[Path]) -> Iterator[str]:
    """Questions without end about three words of the documents, no two of them the same."""
    words = sorted({word for path in files for word in _WORD.findall(path.read_text("utf-8"))})
    rng = random.Random(_SEED)  # noqa: S311 - a sample, no secret
    seen: set[tuple[str, ...]] = set()
    while True:
        chosen = tuple(rng.sample(words, 3))
        if chosen not in seen:
            seen.add(chosen)
            first, second, third = chosen
            yield f"What is said about {first} and {second} where it comes to {third}?"


def repeated_questions(files: Sequence[Path]) -> Iterator[str]:
    """An assumed organisation: half of its searches are new, half are one of 1,000 common ones.

    The r-th of these is asked 1/r times as often as the first (Zipf).
    """
    fresh = different_questions(files)
    common = list(islice(fresh, _NUM_COMMON))
    weights = [1 / rank for rank in range(1, _NUM_COMMON + 1)]
    rng = random.Random(_SEED)  # noqa: S311 - a sample, no secret
    while True:
        yield next(fresh) if rng.random() < 0.5 else rng.choices(common, weights)[0]
