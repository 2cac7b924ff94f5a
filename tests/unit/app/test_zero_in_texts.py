"""A text with U+0000 in it, which PostgreSQL does not take: no fault of the service, wherever."""

import pytest
from sqlalchemy.exc import DataError

from app.errors import find_known
from tests.unit.app.house import House

NAMED = {"field": "name", "op": "eq", "value": "\0"}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/documents/%00", None),
        ("GET", "/v1/documents?q=%00", None),
        ("POST", "/v1/collections", {"name": "handbook", "description": "a\0b"}),
        ("POST", "/v1/conversations", {"title": "a\0b"}),
        ("POST", "/v1/search", {"query": "a\0b", "filter": NAMED}),
        ("POST", "/v1/answer", {"question": "a\0b", "filter": NAMED}),
    ],
)
def test_it_is_no_fault_of_the_service(pool: House, method: str, path: str, body: object) -> None:
    response = pool.client.request(method, path, json=body)
    assert response.status_code < 500, response.text


def test_what_the_database_says_of_it_is_a_fault_of_the_request() -> None:
    said = ValueError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    known = find_known(DataError("SELECT 1", {}, said))
    assert known is not None
    assert known.code == "invalid_request"
    assert find_known(DataError("SELECT 1", {}, ValueError("out of range"))) is None
