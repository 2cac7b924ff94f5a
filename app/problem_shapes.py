"""A problem as a response: problem+json, or OpenAI's shape on the routes of that protocol. Pure."""

from collections.abc import Mapping
from typing import Any, Final, Self, cast

from fastapi.responses import JSONResponse
from starlette.types import Receive, Scope, Send

PROBLEM_TYPE: Final = "application/problem+json"
SEEN_KEY: Final = "cimiento.seen"
"""Where in the scope the edge keeps what it logs of a request besides its path."""
_OPENAI_PATHS: Final = ("/v1/chat/", "/v1/responses", "/v1/embeddings", "/v1/models")
_OPENAI_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}

# Those that are over in seconds: when to ask again.
_RETRY_AFTER_S: Final[Mapping[str, int]] = {
    "blob_store_unavailable": 5,
    "database_busy": 5,
    "generator_busy": 5,
    "generator_unavailable": 5,
    "shutting_down": 5,
}

Problem = Mapping[str, Any]


def speaks_openai(path: str) -> bool:
    """Whether the clients of this address know OpenAI's protocol."""
    return path.startswith(_OPENAI_PATHS)


def problem_response(
    problem: Problem, headers: Mapping[str, str] | None = None, *, path: str
) -> JSONResponse:
    """Send a problem under its own status, in the shape that the clients of `path` know."""
    status = cast(int, problem["status"])
    if (retry_after_s := _RETRY_AFTER_S.get(problem["code"])) is not None:
        headers = {"Retry-After": str(retry_after_s), **(headers or {})}
    if not speaks_openai(path):
        return _ToldResponse(problem, status, headers=headers, media_type=PROBLEM_TYPE).of(problem)
    # the protocol has no 422: whatever is wrong with a request is 400
    body = {"error": openai_error(problem)}
    return _ToldResponse(body, 400 if status == 422 else status, headers=headers).of(problem)


class _ToldResponse(JSONResponse):
    """Tells the edge the code of its problem, for the log and the figures."""

    def of(self, problem: Problem) -> Self:
        self._code = problem["code"]
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.get(SEEN_KEY, {})["code"] = self._code
        await super().__call__(scope, receive, send)


def openai_error(problem: Problem) -> dict[str, str | None]:
    """A problem in OpenAI's words; `code` is ours, and `param` the first field at fault."""
    status = problem["status"]
    usual = "server_error" if status >= 500 else "invalid_request_error"
    faults = problem.get("errors") or [{"field": None}]
    return {
        "message": problem["detail"],
        "type": _OPENAI_TYPES.get(status, usual),
        "param": faults[0]["field"],
        "code": problem["code"],
    }
