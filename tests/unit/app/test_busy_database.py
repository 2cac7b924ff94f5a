"""A database that others keep busy: every route says so, when to ask again, and nothing else."""

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from core.database import find_busy
from tests.unit.app.house import House
from tests.unit.app.sse import read_events

# PostgreSQL has no one writer whom all others wait for
pytestmark = pytest.mark.sqlite


@pytest.fixture
def busy(pool: House) -> Iterator[House]:
    """A service that waits a moment for a writer who never ends."""
    engine = pool.services.database.engine

    @event.listens_for(engine, "checkout")
    def be_impatient(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA busy_timeout = 1")

    writer = sqlite3.connect(str(engine.url.database), isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    yield pool
    writer.rollback()
    writer.close()


ASKED = {"question": "When does the swimming pool open?", "min_confidence": 0}
CHAT = {"model": "cimiento", "messages": [{"role": "user", "content": ASKED["question"]}]}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/collections", {"name": "north"}),
        ("DELETE", "/v1/documents/{document_id}", None),
        ("POST", "/v1/conversations", {}),
        ("POST", "/v1/answer", ASKED),
        ("POST", "/v1/chat/completions", CHAT),
    ],
)
def test_a_change_is_refused_for_now(busy: House, method: str, path: str, body: Any) -> None:
    document_id = busy.client.get("/v1/documents").json()["items"][0]["id"]
    response = busy.client.request(method, path.format(document_id=document_id), json=body)
    problem = response.json()
    assert (response.status_code, problem.get("error", problem)["code"]) == (503, "database_busy")
    assert int(response.headers["retry-after"]) > 0
    assert "sqlite" not in response.text


def test_reading_goes_on(busy: House) -> None:
    assert busy.client.post("/v1/search", json={"query": "pool"}).status_code == 200
    assert busy.client.get("/v1/documents").status_code == 200


def test_a_stream_ends_with_the_same_problem(busy: House) -> None:
    response = busy.client.post("/v1/answer", json={**ASKED, "stream": True})
    last = read_events(response.text)[-1]
    assert (last.name, last.data["code"]) == ("error", "database_busy")


def test_another_fault_of_the_database_is_a_bug(busy: House) -> None:
    with (
        busy.services.database.read_scope() as session,
        pytest.raises(OperationalError, match="no such table") as raised,
    ):
        session.execute(text("SELECT 1 FROM nowhere"))
    assert find_busy(raised.value) is None
