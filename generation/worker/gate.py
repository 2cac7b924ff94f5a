"""The door of the worker: every check of host, key, size and time to send. Pure ASGI."""

import asyncio
import hmac
import time
from importlib.metadata import version
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.hosts import host_of, is_loopback
from core.ids import new_id
from core.worker_settings import WorkerSettings
from generation.protocol import HEADER, SPOKEN
from generation.worker.errors import ApiError, internal_error
from generation.worker.metrics import Metrics
from generation.worker.sending import ClientGoneError
from generation.worker.state import Worker

_log = structlog.get_logger()

# what a load balancer asks; everything else wants the key, where one is set
OPEN_PATHS: Final = frozenset({"/health", "/ready"})
_RECEIVE_WITHIN_S: Final = 60.0
_CHECKED: Final = "/v1/models"


class Gate:
    """Wraps the application: what may not pass is refused, and nothing fails without a trace."""

    def __init__(self, app: ASGIApp, *, worker: Worker, metrics: Metrics) -> None:
        self._app = app
        self._worker = worker
        self._settings = worker.settings
        self._metrics = metrics
        self._checks_host = is_loopback(worker.settings.host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._settings)
        with structlog.contextvars.bound_contextvars(request_id=exchange.request_id):
            try:
                self._check(scope)
                with self._worker.under_way():
                    await self._app(scope, exchange.receive, exchange.send)
            except ApiError as error:
                await self._refuse(exchange, error)
            except ClientGoneError:
                _log.info("client_left", path=scope["path"])
            except Exception:
                _log.exception("request_crashed", path=scope["path"])
                if exchange.status:
                    # half an answer is out: let the server cut the connection
                    raise
                await self._refuse(exchange, internal_error(exchange.request_id))
            exchange.log()

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        # a page elsewhere can make its own name resolve to 127.0.0.1 (DNS rebinding)
        if self._checks_host and not is_loopback(host_of(headers.get("host", "")) or ""):
            raise ApiError(
                421,
                "wrong_host",
                "this worker listens on a loopback address and answers only to its names",
            )
        if scope["path"] in OPEN_PATHS:
            return
        key = self._settings.api_key
        if key is not None and not _carries(headers, key.get_secret_value()):
            raise ApiError(401, "invalid_api_key", "send 'Authorization: Bearer KEY'")
        if scope["method"] == "POST":
            _check_media_type(headers)
            # not where a caller reads what is spoken here
            _check_protocol(headers)

    async def _refuse(self, exchange: "_Exchange", error: ApiError) -> None:
        self._metrics.refused.labels(error.code).inc()
        await error.response()(exchange.scope, exchange.receive, exchange.send)


class _Exchange:
    """One request and its answer, as they pass the door."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, settings: WorkerSettings
    ) -> None:
        self.scope = scope
        self.request_id = new_id("req")
        self.status = 0
        self._receive = receive
        self._send = send
        self._settings = settings
        self._num_bytes = 0
        self._has_body = False
        self._started_s = time.perf_counter()
        self._body_until_s = asyncio.get_running_loop().time() + _RECEIVE_WITHIN_S

    async def receive(self) -> Message:
        """The next message of the client. Raises ApiError for a body too large or too slow."""
        if self._has_body:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._body_until_s):
                message = await self._receive()
        except TimeoutError as error:
            raise ApiError(408, "body_too_slow", "the body did not arrive in time") from error
        self._num_bytes += len(message.get("body", b""))
        limit = self._settings.max_body_bytes
        if self._num_bytes > limit:
            raise ApiError(413, "body_too_large", f"the body is longer than {limit} bytes")
        self._has_body = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Send, unless the client does not read: then it counts as gone."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)["X-Request-ID"] = self.request_id
        try:
            async with asyncio.timeout(self._settings.send_timeout_s):
                await self._send(message)
        except TimeoutError as error:
            _log.warning("client_does_not_read", path=self.scope["path"])
            raise ClientGoneError from error

    def log(self) -> None:
        """What came of it; never what was said."""
        # every service asks every other second how the worker is
        is_check = self.scope["method"] == "GET" and self.scope["path"] == _CHECKED
        (_log.debug if is_check else _log.info)(
            "request",
            method=self.scope["method"],
            path=self.scope["path"],
            status=self.status,
            duration_s=round(time.perf_counter() - self._started_s, 4),
        )


def _carries(headers: Headers, key: str) -> bool:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.encode(), key.encode())


def _check_protocol(headers: Headers) -> None:
    # other clients of OpenAI's protocol say nothing
    said = headers.get(HEADER)
    if said is None or (said.isdecimal() and SPOKEN.oldest <= int(said) <= SPOKEN.newest):
        return
    raise ApiError(
        426,
        "protocol_too_far",
        f"this worker is Cimiento {version('cimiento')} and speaks version {SPOKEN} of the "
        f"workers' protocol, the caller {said[:20]}; update whichever is older",
    )


def _check_media_type(headers: Headers) -> None:
    # a page elsewhere may send text without asking first, but not JSON
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(
            415, "unsupported_media_type", "send JSON, with 'Content-Type: application/json'"
        )
