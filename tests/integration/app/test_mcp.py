"""The official MCP client against the running service, over HTTP and through `cimiento mcp`."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from app.people.credentials import NewKey
from core.access import Scope
from tests.integration.app.conftest import Running
from tests.unit.app.house import POOL

Connect = Callable[[Running, str], AbstractAsyncContextManager[Client]]
QUESTION = {"question": "When does the swimming pool open?"}


@asynccontextmanager
async def over_http(running: Running, key: str) -> AsyncIterator[Client]:
    """As a host on the network connects."""
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        transport = streamable_http_client(f"{running.url}/mcp", http_client=http)
        async with Client(transport) as client:
            yield client


@asynccontextmanager
async def over_stdio(running: Running, key: str) -> AsyncIterator[Client]:
    """As a host connects that starts the command."""
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "app.cli", "mcp"],
        env={"CIMIENTO_MCP__URL": running.url, "CIMIENTO_MCP__KEY": key},
        cwd=".",
    )
    async with Client(command) as client:
        yield client


@pytest.fixture(params=[over_http, over_stdio], ids=["http", "stdio"])
def connect(request: pytest.FixtureRequest) -> Connect:
    """How the client reaches the service."""
    found: Connect = request.param
    return found


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    text: str = content.text
    return text


def key_for(running: Running, **more: Any) -> str:
    return running.house.services.credentials.create(NewKey("host", **more))[1]


async def test_a_model_asks_searches_reads_and_lists(running: Running, connect: Connect) -> None:
    document_id = running.house.add("pool.txt", POOL)
    async with connect(running, running.house.key) as client:
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == [
            *("search", "answer", "read_passage", "list_documents")
        ]
        assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)

        answer = await client.call_tool("answer", QUESTION)
        (citation,) = answer.structured_content["citations"]
        assert answer.structured_content["status"] == "answered"
        assert (citation["document_id"], citation["document_name"]) == (document_id, "pool.txt")
        assert "[1] pool.txt" in text_of(answer)

        span = {key: citation[key] for key in ("document_id", "start", "end")}
        read = await client.call_tool("read_passage", span)
        assert text_of(read) == citation["quote"] == POOL[citation["start"] : citation["end"]]

        found = await client.call_tool("search", {"query": "towels", "top_k": 1})
        (passage,) = found.structured_content["passages"]
        assert passage["document_id"] == document_id
        assert passage["text"] in text_of(found)

        listed = await client.call_tool("list_documents", {})
        assert [each["id"] for each in listed.structured_content["documents"]] == [document_id]


async def test_documents_are_resources(running: Running, connect: Connect) -> None:
    document_id = running.house.add("pool.txt", POOL)
    async with connect(running, running.house.key) as client:
        (resource,) = (await client.list_resources()).resources
        assert (resource.name, resource.uri) == ("pool.txt", f"cimiento://documents/{document_id}")
        (contents,) = (await client.read_resource(resource.uri)).contents
        assert getattr(contents, "text", None) == POOL
        (template,) = (await client.list_resource_templates()).resource_templates
        assert template.uri_template == "cimiento://documents/{document_id}"
        for uri in ("cimiento://documents/doc_none", "cimiento://documents/../keys", "file:///etc"):
            with pytest.raises(MCPError):
                await client.read_resource(uri)


async def test_a_key_opens_over_mcp_what_it_opens_over_http(
    running: Running, connect: Connect
) -> None:
    house = running.house
    for name in ("north", "south"):
        house.services.collections.create(name)
        house.add(f"{name}.txt", f"The {name} pool opens at nine. Dogs are not allowed.", name)
    north = key_for(running, collections=["north"], scopes=frozenset({Scope.READ}))
    async with connect(running, north) as client:
        found = await client.call_tool("search", {"query": "pool", "top_k": 50})
        names = {each["document_name"] for each in found.structured_content["passages"]}
        assert names == {"north.txt"}
        assert [each.name for each in (await client.list_resources()).resources] == ["north.txt"]
        hidden = await client.call_tool("search", {"query": "pool", "collections": ["south"]})
        assert hidden.is_error
        assert hidden.structured_content["code"] == "collection_not_found"
        refused = await client.call_tool("answer", QUESTION)
        assert refused.is_error
        assert refused.structured_content["code"] == "forbidden"


async def test_a_model_is_told_what_it_did_wrong(running: Running, connect: Connect) -> None:
    async with connect(running, running.house.key) as client:
        for name, arguments in (
            ("search", {}),
            ("search", {"query": "pool", "limit": 3}),
            ("search", {"query": ""}),
            ("read_passage", {"document_id": "doc_none"}),
            ("read_passage", {"document_id": "../../keys"}),
            ("list_documents", {"collection": "nowhere"}),
            ("sing", {}),
        ):
            result = await client.call_tool(name, arguments)
            assert result.is_error, (name, arguments)
            assert result.structured_content["detail"]


async def test_a_stranger_gets_no_further_than_the_door(running: Running) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        async with httpx2.AsyncClient(headers=headers) as http:
            response = await http.post(f"{running.url}/mcp", json={})
        assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")


async def test_a_revoked_key_is_worthless_in_the_middle_of_a_conversation(
    running: Running,
) -> None:
    credentials = running.house.services.credentials
    key, secret = credentials.create(NewKey("gone soon"))
    async with over_stdio(running, secret) as client:
        assert not (await client.call_tool("list_documents", {})).is_error
        credentials.revoke_key(key.id)
        result = await client.call_tool("list_documents", {})
        assert result.structured_content["code"] == "unauthenticated"


async def test_a_service_that_is_not_there_is_told_to_the_model(running: Running) -> None:
    nobody = Running(running.house, "http://127.0.0.1:9", running.client)
    async with over_stdio(nobody, running.house.key) as client:
        result = await client.call_tool("search", {"query": "towels"})
        assert result.structured_content["code"] == "service_unreachable"


async def test_what_is_asked_over_mcp_is_in_the_audit_log(running: Running) -> None:
    running.house.add("pool.txt", POOL)
    async with over_http(running, running.house.key) as client:
        await client.call_tool("search", {"query": "towels"})
    actions = [event.deed.action for event in running.house.services.doors.audit.list()]
    assert "search" in actions
