"""Send one message to one address: signed, pinned to the address that was checked, no redirects."""

import json
import ssl
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import httpcore2
from httpcore2 import SyncBackend

from app.webhooks.addresses import AddressCheck
from app.webhooks.errors import WebhookRefusedError
from app.webhooks.signing import sign

# What a receiver says beside its status is of no use to us, and could be without end.
_MAX_REPLY_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent, and where to."""

    id: str
    url: str
    secret: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of it: the status of the reply, or why there was none."""

    status: int | None
    error: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether the receiver has it now."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants no further one, ever."""
        return self.status == 410


class Sender:
    """Sends messages. Thread-safe; a connection for each."""

    def __init__(self, check: AddressCheck, *, timeout_s: float) -> None:
        self._check = check
        self._timeout_s = timeout_s

    def send(self, message: Message) -> Reply:
        """Send, once. Raises nothing: what goes wrong is in the reply."""
        body = json.dumps(message.payload, ensure_ascii=False).encode()
        timestamp_s = int(time.time())
        headers: dict[bytes | str, bytes | str] = {
            "Content-Type": "application/json",
            "User-Agent": "Cimiento-Webhooks",
            "webhook-id": message.id,
            "webhook-timestamp": str(timestamp_s),
            "webhook-signature": sign(message.secret, message.id, timestamp_s, body),
        }
        try:
            return Reply(self._post(message.url, headers, body))
        except WebhookRefusedError as error:
            return Reply(None, str(error))
        except (
            httpcore2.NetworkError,
            httpcore2.TimeoutException,
            httpcore2.ProtocolError,
        ) as error:
            return Reply(None, f"{type(error).__name__}: {error}"[:500])

    def _post(self, url: str, headers: Mapping[bytes | str, bytes | str], body: bytes) -> int:
        # The plain connection pool knows no proxies and follows nothing: a redirect is a reply.
        backend = _CheckedBackend(
            self._check, is_encrypted=url.startswith("https:"), timeout_s=self._timeout_s
        )
        with (
            httpcore2.ConnectionPool(
                network_backend=backend, ssl_context=ssl.create_default_context()
            ) as pool,
            pool.stream("POST", url, headers=headers, content=body) as response,
        ):
            self._read_some(response)
            return response.status

    def _read_some(self, response: httpcore2.Response) -> None:
        """Let a well-behaved receiver end its reply, and no other one keep us."""
        num_bytes = 0
        # by its status it has heard already
        with suppress(httpcore2.TimeoutException):
            for part in response.iter_stream():
                num_bytes += len(part)
                if num_bytes > _MAX_REPLY_BYTES:
                    return


class _CheckedBackend(SyncBackend):
    """Connects to the very address that was checked: a name could lead elsewhere a moment later.

    The name goes on to TLS, which checks the certificate against it.
    """

    def __init__(self, check: AddressCheck, *, is_encrypted: bool, timeout_s: float) -> None:
        super().__init__()
        self._check = check
        self._is_encrypted = is_encrypted
        self._timeout_s = timeout_s

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - one time for all of it
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        address = self._check.find(host, port, is_encrypted=self._is_encrypted)
        until_s = time.monotonic() + self._timeout_s
        stream = super().connect_tcp(
            str(address), port, self._timeout_s, local_address, socket_options
        )
        return _TimedStream(stream, until_s)


class _TimedStream(httpcore2.NetworkStream):
    """A connection that ends at a moment, whatever still comes of it: a byte now and then is enough
    for every limit on a single read.
    """

    def __init__(self, stream: httpcore2.NetworkStream, until_s: float) -> None:
        self._stream = stream
        self._until_s = until_s

    def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ARG002 - one time for all of it
    ) -> bytes:
        return self._stream.read(max_bytes, self._left_s(httpcore2.ReadTimeout))

    def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ARG002 - one time for all of it
    ) -> None:
        self._stream.write(buffer, self._left_s(httpcore2.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - one time for all of it
    ) -> httpcore2.NetworkStream:
        left_s = self._left_s(httpcore2.ConnectTimeout)
        stream = self._stream.start_tls(ssl_context, server_hostname, left_s)
        return _TimedStream(stream, self._until_s)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def _left_s(self, expired: type[httpcore2.TimeoutException]) -> float:
        left_s = self._until_s - time.monotonic()
        if left_s <= 0:
            raise expired("the receiver took too long")
        return left_s
