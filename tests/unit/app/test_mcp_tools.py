"""What the tools say where something in front of the service answers in its place."""

import httpx2
import pytest
from mcp_types import CallToolResult

from app.mcp_tools import call_tool

PROBLEM = {"status": 404, "code": "collection_not_found", "detail": "there is none"}


async def search(status: int, body: object) -> CallToolResult:
    """What a search says where that is the reply."""
    transport = httpx2.MockTransport(lambda _: httpx2.Response(status, json=body))
    async with httpx2.AsyncClient(transport=transport, base_url="http://service") as rest:
        return await call_tool(rest, "search", {"query": "towels"})


async def test_a_problem_of_the_service_is_told_as_it_is() -> None:
    told = await search(404, PROBLEM)
    assert told.is_error
    assert told.structured_content == {key: PROBLEM[key] for key in ("code", "detail")}


@pytest.mark.parametrize("body", [{"message": "no upstream"}, {"detail": "busy"}, ["busy"], "busy"])
async def test_json_that_is_no_problem_is_a_service_that_cannot_be_asked(body: object) -> None:
    told = await search(502, body)
    assert told.is_error
    assert told.structured_content == {
        "code": "service_unreachable",
        "detail": "the service cannot be asked: HTTP 502",
    }
