"""The edge of the server: request ids, host check, body limit, security headers. Pure ASGI."""

import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.draining import Draining
from app.errors import ShuttingDownError, WrongHostError, headers_of, internal_problem, problem_of
from app.metrics import Metrics
from app.problem_shapes import SEEN_KEY, Problem, problem_response
from core.errors import CimientoError
from core.hosts import host_of, is_loopback
from core.ids import new_id
from core.settings import Settings

_log = structlog.get_logger()

MAX_JSON_BYTES: Final = 1024 * 1024
_LIMIT_KEY: Final = "cimiento.body_limit"

# wasm: the decoders of pictures in PDFs. One policy makes an address trusted: that of the worker of
# pdf.js, in app/web/src/evidence/pdf.ts.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types cimiento"
)
_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # same-origin, not no-referrer: with the latter browsers send "Origin: null" even to us
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
# a browser that has seen us over https never tries http again
_OVER_HTTPS: Final = {"Strict-Transport-Security": "max-age=31536000"}


class Edge:
    """Wraps the application: nothing leaves without its headers, nothing fails without a trace."""

    def __init__(
        self, app: ASGIApp, *, settings: Settings, metrics: Metrics, draining: Draining
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._draining = draining
        self._hosts = allowed_hosts(settings)
        self._headers = _HEADERS | (_OVER_HTTPS if settings.base_url.startswith("https:") else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._headers)
        with structlog.contextvars.bound_contextvars(request_id=exchange.request_id):
            with self._draining.under_way():
                refusal = self._refusal(scope)
                if refusal is None:
                    await self._serve(exchange)
                else:
                    await exchange.respond(problem_of(refusal), headers_of(refusal))
            exchange.log(self._metrics)

    async def _serve(self, exchange: "_Exchange") -> None:
        try:
            await self._app(exchange.scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            _log.info("client_left", path=exchange.scope["path"])
        except Exception:
            _log.exception("request_crashed", path=exchange.scope["path"])
            if exchange.status:
                # half an answer is out: let the server cut the connection
                raise
            await exchange.respond(internal_problem(exchange.request_id))

    def _refusal(self, scope: Scope) -> CimientoError | None:
        """Why nobody further in is asked, whoever calls; None where it goes on."""
        host = Headers(scope=scope).get("host", "")
        if self._hosts is not None and host_of(host) not in self._hosts:
            return WrongHostError(
                "this address is not one the server answers for; set CIMIENTO_SERVER__PUBLIC_URL "
                "to the address people use"
            )
        if self._draining.is_on and not _goes_on(scope):
            return ShuttingDownError("the service is shutting down; ask again in some seconds")
        return None


class _Exchange:
    """One request and its answer, as they pass the edge."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, headers: Mapping[str, str]
    ) -> None:
        self.scope = scope
        self.request_id = new_id("req")
        self.status = 0
        self._receive = receive
        self._send = send
        self._headers = headers
        self._num_bytes = 0
        self._started_s = time.perf_counter()
        # of those further in: who calls, and which problem they were sent
        self.seen: dict[str, str] = {}
        scope[SEEN_KEY] = self.seen
        scope[_LIMIT_KEY] = MAX_JSON_BYTES
        scope["request_id"] = self.request_id

    async def receive(self) -> Message:
        message = await self._receive()
        self._num_bytes += len(message.get("body", b""))
        limit = self.scope[_LIMIT_KEY]
        if limit is not None and self._num_bytes > limit:
            raise HTTPException(
                413,
                f"The body is longer than {limit} bytes.",
                headers={"Connection": "close"},
            )
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self.request_id
            for name, value in self._headers.items():
                headers.setdefault(name, value)
        await self._send(message)

    async def respond(self, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        response = problem_response(problem, headers, path=self.scope["path"])
        await response(self.scope, self.receive, self.send)

    def log(self, metrics: Metrics) -> None:
        took_s = time.perf_counter() - self._started_s
        method = self.scope["method"]
        _log.info(
            "request",
            method=method,
            path=self.scope["path"],
            status=self.status,
            duration_s=round(took_s, 4),
            **self.seen,
        )
        route = getattr(self.scope.get("route"), "path", None)
        metrics.count_request(
            method, route, self.status, seconds=took_s, problem=self.seen.get("code")
        )


def _goes_on(scope: Scope) -> bool:
    """Whether a request belongs to answers that are being written, or asks how the service is."""
    path: str = scope["path"]
    if path.startswith("/v1/answers/"):
        is_read: bool = scope["method"] == "GET"
        return is_read or path.endswith("/cancel")
    return path in {"/metrics", "/health/live", "/health/ready"}


def lift_body_limit(scope: Scope) -> None:
    """Let this request's body be of any length; whoever lifts the limit counts for itself."""
    scope[_LIMIT_KEY] = None


def allowed_hosts(settings: Settings) -> frozenset[str] | None:
    """The names a loopback server answers to, or None for a server open to the network.

    A page elsewhere can make its own name resolve to 127.0.0.1 (DNS rebinding); its requests
    then carry that name.
    """
    if not is_loopback(settings.server.host):
        return None
    public = urlsplit(settings.base_url).hostname
    return frozenset({"localhost", "127.0.0.1", "::1", settings.server.host, public or ""}) - {""}
