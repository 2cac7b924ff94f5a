"""Every error is a problem: its shape, its status, and nothing of the inside."""

import pytest
import structlog

from app.errors import STATUS_BY_CODE
from app.problem_shapes import speaks_openai
from core.errors import CimientoError
from ingestion import errors as ingestion_errors
from tests.unit.app.house import House

PROBLEM = "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/v1/nowhere", 404, "not_found"),
        ("PUT", "/v1/collections", 405, "method_not_allowed"),
        ("GET", "/v1/documents/doc_none", 404, "document_not_found"),
        ("DELETE", "/v1/documents/doc_none", 404, "document_not_found"),
        ("GET", "/v1/documents/doc_none/text", 404, "document_not_found"),
        ("GET", "/v1/documents/doc_none/content", 404, "document_not_found"),
        ("GET", "/v1/documents/doc_none/versions", 404, "document_not_found"),
        ("GET", "/v1/documents/doc_none/text?version=0", 422, "invalid_request"),
        ("GET", f"/v1/documents/doc_none/text?version={2**31}", 422, "invalid_request"),
        ("GET", f"/v1/documents/doc_none/text?version={2**80}", 422, "invalid_request"),
        ("GET", "/v1/documents?state=odd", 422, "invalid_request"),
        ("GET", "/v1/documents?colour=red", 422, "invalid_request"),
        ("GET", "/v1/documents?collection=none", 404, "collection_not_found"),
        ("GET", "/v1/jobs/job_none", 404, "job_not_found"),
        ("GET", "/v1/jobs/job_none/events", 404, "job_not_found"),
        ("POST", "/v1/jobs/job_none/retry", 404, "job_not_found"),
        ("DELETE", "/v1/jobs/job_none", 404, "job_not_found"),
        ("GET", "/v1/collections/none", 404, "collection_not_found"),
        ("GET", "/v1/collections/Bad%20Name", 422, "invalid_request"),
        ("DELETE", "/v1/collections/default", 409, "default_collection"),
        ("POST", "/v1/answer", 422, "invalid_request"),
        ("GET", "/static/none.js", 404, "not_found"),
        ("GET", "/static/../main.py", 404, "not_found"),
    ],
)
def test_every_error_is_a_problem(
    still_house: House, method: str, path: str, status: int, code: str
) -> None:
    response = still_house.client.request(method, path)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (status, code)
    assert response.headers["content-type"] == PROBLEM
    assert problem["type"] == f"urn:cimiento:problem:{code}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]


def test_a_wrong_method_names_the_right_ones(still_house: House) -> None:
    assert still_house.client.put("/v1/search").headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"question": ""}, "question"),
        ({"question": " \n\t "}, "question"),
        ({"question": "\x00\x07"}, "question"),
        ({"question": "a" * 4001}, "question"),
        ({"question": 7}, "question"),
        ({}, "question"),
        ({"question": "why", "top_k": 0}, "top_k"),
        ({"question": "why", "top_k": 51}, "top_k"),
        ({"question": "why", "top_k": "8"}, "top_k"),
        ({"question": "why", "collections": []}, "collections"),
        ({"question": "why", "collections": ["Bad Name"]}, "collections.0"),
        ({"question": "why", "min_confidence": 1.5}, "min_confidence"),
        ({"question": "why", "stream": "yes"}, "stream"),
        ({"question": "why", "sampling": {"temperature": -1}}, "sampling.temperature"),
        ({"question": "why", "sampling": {"n": 0}}, "sampling.n"),
        ({"question": "why", "conversation_id": ""}, "conversation_id"),
        ({"question": "why", "prompt": "../../etc/passwd"}, "prompt"),
    ],
)
def test_a_bad_field_is_named(still_house: House, body: dict[str, object], field: str) -> None:
    response = still_house.client.post("/v1/answer", json=body)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "invalid_request")
    assert field in [error["field"] for error in problem["errors"]]
    assert all(error["message"] for error in problem["errors"])


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b"\xff\xfe", b'{"question": "\\ud800"}'])
def test_a_body_that_is_no_object_is_a_problem(still_house: House, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    response = still_house.client.post("/v1/answer", content=body, headers=headers)
    assert response.status_code in (400, 422)
    assert response.headers["content-type"] == PROBLEM


def test_a_huge_json_body_is_refused(still_house: House) -> None:
    body = b'{"question": "' + b"a" * (2 * 1024 * 1024) + b'"}'
    headers = {"Content-Type": "application/json"}
    response = still_house.client.post("/v1/answer", content=body, headers=headers)
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert response.headers["connection"] == "close"


def test_what_was_sent_is_not_repeated(still_house: House) -> None:
    response = still_house.client.post("/v1/search", json={"query": "fine", "top_k": "hunter2"})
    assert "hunter2" not in response.text


def test_a_bug_leaks_nothing_but_a_request_id(house: House) -> None:
    @house.app.get("/v1/broken")
    def broken() -> None:
        raise RuntimeError("the password is hunter2")

    with structlog.testing.capture_logs() as logged:
        response = house.client.get("/v1/broken")
    problem = response.json()
    assert (response.status_code, problem["code"]) == (500, "internal_error")
    assert response.headers["content-type"] == PROBLEM
    assert "hunter2" not in response.text
    assert response.headers["x-request-id"] in problem["detail"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "request_crashed" in [entry["event"] for entry in logged]


def test_every_error_that_an_upload_can_cause_has_its_status() -> None:
    of_jobs = {"unreadable_document", "no_text_found", "parse_timeout", "parser_crashed"} | {
        "ocr_not_installed",
        "password_required",
        "password_wrong",
        "parse_memory_exceeded",
        "memory_short",
        "poison_document",
        "nested_too_deep",
        "ingestion_interrupted",
        "worker_given_up",
        "stage_stalled",
    }
    codes = {
        value.code
        for value in vars(ingestion_errors).values()
        if isinstance(value, type) and issubclass(value, CimientoError)
    }
    assert codes - of_jobs - {"internal_error"} <= STATUS_BY_CODE.keys()


def test_openapi_announces_problems_and_needs_no_key(still_house: House) -> None:
    schema = still_house.stranger.get("/openapi.json").json()
    assert "HTTPValidationError" not in schema["components"]["schemas"]
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            if path.startswith("/v1"):
                openai = speaks_openai(path)
                content = operation["responses"]["400" if openai else "422"]["content"]
                assert list(content) == ["application/json" if openai else PROBLEM], (method, path)


def test_pages_from_another_host_are_never_loaded(still_house: House) -> None:
    assert still_house.client.get("/docs").status_code == 404
    assert still_house.client.get("/redoc").status_code == 404
