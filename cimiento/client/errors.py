"""What can go wrong between a program and the service, as errors that carry the service's facts."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2


class ClientError(Exception):
    """Every error of this client."""


class UnreachableError(ClientError):
    """No answer came: nobody listens there, or the connection broke, also when tried again."""


class AnswerCancelledError(ClientError):
    """The answer was cancelled while it was written."""


class JobFailedError(ClientError):
    """A document did not become searchable; the message is the service's."""

    def __init__(self, job_id: str, code: str, message: str, *, retryable: bool) -> None:
        super().__init__(f"{message} ({code}, job {job_id})")
        self.job_id = job_id
        self.code = code
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class FieldFault:
    """What is wrong with one field of a request."""

    field: str
    message: str


class ApiError(ClientError):
    """The service refused. `code` is stable: docs/reference/errors.md lists them all.

    `retry_after_s` says when trying again can help, where the service says so.
    """

    def __init__(
        self, problem: Mapping[str, Any], status: int, *, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status = status
        self.code: str = problem.get("code") or "http_error"
        self.detail: str = problem.get("detail") or problem.get("message") or f"HTTP {status}"
        self.faults = tuple(
            FieldFault(each["field"], each["message"]) for each in problem.get("errors") or ()
        )
        headers = headers or {}
        self.request_id = headers.get("x-request-id")
        self.retry_after_s = _seconds(headers.get("retry-after"))
        super().__init__(f"{self.detail} ({self.code}, HTTP {status})")


class AuthenticationError(ApiError):
    """401: the key is missing, wrong, expired or revoked."""


class ForbiddenError(ApiError):
    """403: the key may not do this."""


class NotFoundError(ApiError):
    """404: there is no such thing, or the key may not see it."""


class ConflictError(ApiError):
    """409: the present state does not allow it."""


class InvalidRequestError(ApiError):
    """400, 413, 415 or 422: something is wrong with the request; `faults` name the fields."""


class RateLimitedError(ApiError):
    """429: too many requests, or the tokens of the day are spent."""


class ServerError(ApiError):
    """5xx: the service failed, is starting or is overloaded."""


_KINDS: Final[Mapping[int, type[ApiError]]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    413: InvalidRequestError,
    415: InvalidRequestError,
    422: InvalidRequestError,
    429: RateLimitedError,
}


def error_of(response: httpx2.Response) -> ApiError:
    """What a response of 400 and more says; its body must have been read."""
    try:
        body = json.loads(response.content)
    except ValueError:
        body = None
    return problem_error(
        body if isinstance(body, dict) else {}, response.status_code, headers=response.headers
    )


def problem_error(
    problem: Mapping[str, Any], status: int, *, headers: Mapping[str, str] | None = None
) -> ApiError:
    """A problem as the error of its status. OpenAI's shape is understood as well."""
    inner = problem.get("error")
    kind = _KINDS.get(status, ServerError if status >= 500 else ApiError)
    return kind(inner if isinstance(inner, dict) else problem, status, headers=headers)


def _seconds(header: str | None) -> float | None:
    try:
        seconds = float(header or "")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
