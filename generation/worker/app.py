"""The worker's HTTP application, put together. Constructs no model: it is handed one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, cast

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from generation.worker.errors import ApiError
from generation.worker.gate import Gate
from generation.worker.metrics import Metrics
from generation.worker.routes import ROUTES
from generation.worker.sending import ClientGoneError
from generation.worker.state import Worker

_MAX_SCORING: Final = 16
_CODES: Final = {404: "not_found", 405: "method_not_allowed"}


def create_app(worker: Worker) -> Starlette:
    """Build the application. The model begins to load when the server starts."""
    metrics = Metrics(worker.find_stats)
    app = Starlette(
        routes=ROUTES,
        lifespan=_lifespan,
        middleware=[Middleware(Gate, worker=worker, metrics=metrics)],
        exception_handlers={HTTPException: _on_http_error, ClientDisconnect: _on_disconnect},
    )
    app.state.worker = worker
    app.state.metrics = metrics
    # scoring waits for the engine, and must not keep the threads that others need for a moment
    app.state.score_threads = anyio.CapacityLimiter(_MAX_SCORING)
    return app


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    app.state.worker.start()
    yield


async def _on_http_error(request: Request, error: Exception) -> Response:
    known = cast("HTTPException", error)
    code = _CODES.get(known.status_code, "http_error")
    details = {
        404: f"there is nothing at {request.url.path}",
        405: f"{request.url.path} does not take {request.method}",
    }
    detail = details.get(known.status_code, str(known.detail))
    return ApiError(known.status_code, code, detail).response()


async def _on_disconnect(_request: Request, error: Exception) -> Response:
    raise ClientGoneError from error
