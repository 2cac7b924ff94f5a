"""Errors as OpenAI's clients expect them, and which fault of ours is which."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.responses import JSONResponse

from generation.chat_template import ChatTemplateError
from generation.engine.errors import (
    EngineBusyError,
    EngineClosedError,
    InvalidPromptError,
    PromptTooLongError,
    SamplingParamsError,
)
from generation.engine.generation import GenerationFailedError
from generation.errors import AdapterMissingError, AdapterUnusableError, InvalidCompletionError
from generation.grammar import GrammarError

_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "service_unavailable",
    504: "timeout_error",
}


class ApiError(Exception):
    """A refusal with its HTTP status. `param` names the field at fault, where there is one."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s

    def body(self) -> dict[str, object]:
        """The error in OpenAI's shape."""
        fields = {
            "message": str(self),
            "type": _TYPES.get(self.status, "invalid_request_error"),
            "param": self.param,
            "code": self.code,
        }
        return {"error": fields}

    def response(self) -> JSONResponse:
        """The error as a whole response."""
        headers = {}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(max(1, math.ceil(self.retry_after_s)))
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if self.status in (408, 413):
            # the rest of the body is not read, so the connection cannot carry another request
            headers["Connection"] = "close"
        return JSONResponse(self.body(), self.status, headers)


def internal_error(request_id: str) -> ApiError:
    """A bug: says where to look, and nothing else."""
    return ApiError(
        500, "internal_error", f"something went wrong; the worker's log has it under {request_id}"
    )


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a refusal by generation is told."""

    status: int
    code: str
    retry_after_s: Callable[[Exception], float | None] = lambda _error: None


def _wait_of(error: Exception) -> float | None:
    return error.retry_after_s if isinstance(error, EngineBusyError) else None


_KINDS: Final[Mapping[type[Exception], _Kind]] = {
    PromptTooLongError: _Kind(400, "context_length_exceeded"),
    InvalidPromptError: _Kind(400, "invalid_prompt"),
    SamplingParamsError: _Kind(400, "invalid_value"),
    GrammarError: _Kind(400, "invalid_response_format"),
    InvalidCompletionError: _Kind(400, "invalid_value"),
    ChatTemplateError: _Kind(400, "chat_template_refused"),
    AdapterMissingError: _Kind(404, AdapterMissingError.code),
    AdapterUnusableError: _Kind(409, AdapterUnusableError.code),
    GenerationFailedError: _Kind(500, "engine_failed"),
    EngineBusyError: _Kind(429, "queue_full", _wait_of),
    EngineClosedError: _Kind(503, "shutting_down", lambda _error: 5.0),
}
REFUSALS: Final = tuple(_KINDS)


def api_error_of(error: Exception) -> ApiError:
    """The API's form of one of `REFUSALS`."""
    kind = next(kind for known, kind in _KINDS.items() if isinstance(error, known))
    return ApiError(
        kind.status,
        kind.code,
        str(error),
        param=getattr(error, "param", None),
        retry_after_s=kind.retry_after_s(error),
    )
