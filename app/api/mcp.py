"""Route of the Model Context Protocol: streamable HTTP, a message at a time, no session kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import httpx2
from fastapi import APIRouter, Request
from fastapi.responses import Response
from mcp.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.types import ASGIApp, Receive, Scope, Send

from app.mcp_server import Context, OpenRest, build_mcp_server
from app.mcp_tools import Rest

router = APIRouter(include_in_schema=False)

# the edge limits bodies and checks hosts; the guard has let the caller through
_NO_LIMIT: Final = 2**31


@router.post("/mcp")
async def serve_mcp(request: Request) -> Response:
    """One message of a model's host, and what it gets."""
    return _Handover(request.app.state.mcp)


def build_mounted_server(app: ASGIApp, base_url: str) -> Server[Any]:
    """An MCP server beside the HTTP API of this process, which it asks with the caller's key."""
    return build_mcp_server(_rest_inside(app, base_url))


class _Handover(Response):
    """Lets the protocol's own transport answer."""

    def __init__(self, server: Server[Any]) -> None:
        super().__init__()
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A manager for each message: it keeps none of them, and needs no lifespan so.
        manager = StreamableHTTPSessionManager(
            self._server, json_response=True, stateless=True, max_request_body_size=_NO_LIMIT
        )
        async with manager.run():
            await manager.handle_request(scope, receive, send)


def _rest_inside(app: ASGIApp, base_url: str) -> OpenRest:
    @asynccontextmanager
    async def open_rest(context: Context) -> AsyncIterator[Rest]:
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        # this transport always attaches the request
        sent = cast("Request", context.request).headers
        headers = {name: sent[name] for name in ("Authorization", "traceparent") if name in sent}
        async with httpx2.AsyncClient(
            transport=transport, base_url=base_url, headers=headers, timeout=None
        ) as rest:
            yield rest

    return open_rest
