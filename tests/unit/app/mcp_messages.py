"""Messages of the Model Context Protocol, as a model's host sends them, one at a time."""

from typing import Any, Final

import httpx2
from fastapi.testclient import TestClient

HELLO: Final = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "tests", "version": "1"},
}


def post_message(client: TestClient, method: str, params: dict[str, Any]) -> httpx2.Response:
    """Send one message."""
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    headers = {"Accept": "application/json, text/event-stream"}
    return client.post("/mcp", json=message, headers=headers)
