"""Errors as problem+json. The one place that knows which domain error is which HTTP status."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Self, cast

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from app.people.errors import RateLimitedError
from app.problem_shapes import problem_response
from app.sampling import BadSamplingError
from core.database import find_busy, is_bad_text
from core.errors import CimientoError
from generation.prompts import BadPromptError
from retrieval.filters import BadFilterError
from retrieval.reranking import RerankerNotSetError

_log = structlog.get_logger()


class UnauthenticatedError(CimientoError):
    """No valid key or session came with the request."""

    code = "unauthenticated"


class CrossOriginError(CimientoError):
    """A browser sent a change from another site, or did not say from which one."""

    code = "cross_origin"


class WrongHostError(CimientoError):
    """The request names a host that this server does not answer for."""

    code = "wrong_host"


class BodyTooLargeError(CimientoError):
    """The body of the request is longer than it may be."""

    code = "body_too_large"


class ForbiddenError(CimientoError):
    """The caller is known, and may not do that; the message says what it lacks."""

    code = "forbidden"


class ModelNotFoundError(CimientoError):
    """No collection that the caller sees, and no embedding model, goes by this name of a model."""

    code = "model_not_found"


class AnswerNotFoundError(CimientoError):
    """No answer of that id is the caller's to read."""

    code = "answer_not_found"


class ConversationNotFoundError(CimientoError):
    """No conversation of that id is the caller's."""

    code = "conversation_not_found"


class EvaluationNotFoundError(CimientoError):
    """No evaluation of that id is the caller's."""

    code = "evaluation_not_found"


class EvaluationRunningError(CimientoError):
    """The evaluation has not come to its end: there are no figures yet."""

    code = "evaluation_running"
    retryable = True


class EvaluationFinishedError(CimientoError):
    """The evaluation came to its end before it could be cancelled."""

    code = "evaluation_finished"


class AnswerRunningError(CimientoError):
    """The answer is still being written."""

    code = "answer_running"
    retryable = True


class AnswerFinishedError(CimientoError):
    """The answer came to its end before it could be cancelled."""

    code = "answer_finished"


class ChangedMeanwhileError(CimientoError):
    """The thing is not what `If-Match` says that its caller saw."""

    code = "changed_meanwhile"


class NoEarlierPromptError(CimientoError):
    """There is no activation of a prompt to roll back."""

    code = "no_earlier_prompt"


class ExampleNotFoundError(CimientoError):
    """No answer of that id was judged good, or its documents were deleted since."""

    code = "example_not_found"


class NotReadyError(CimientoError):
    """The service is starting, or a part of it is down; the message says which."""

    code = "not_ready"
    retryable = True


class ShuttingDownError(CimientoError):
    """The service ends what it has begun, and takes nothing new."""

    code = "shutting_down"
    retryable = True


class WebNotBuiltError(CimientoError):
    """The web application is not there: nobody has built it where this runs."""

    code = "web_not_built"


@dataclass(frozen=True, slots=True)
class FieldFault:
    """What is wrong with one field of a request."""

    field: str
    message: str


class InvalidRequestError(CimientoError):
    """One or more fields of the request are at fault."""

    code = "invalid_request"

    def __init__(self, message: str, *faults: FieldFault) -> None:
        super().__init__(message)
        self.faults = faults

    @classmethod
    def of(cls, *faults: FieldFault) -> Self:
        """One that says of each field what is wrong with it."""
        return cls("; ".join(f"{fault.field}: {fault.message}" for fault in faults), *faults)


STATUS_BY_CODE: Final[Mapping[str, int]] = {
    # of the door
    "unauthenticated": 401,
    "cross_origin": 403,
    "wrong_host": 421,
    "sign_in_link_invalid": 403,
    "wrong_password": 403,
    "sign_in_refused": 403,
    "provider_failed": 502,
    "weak_password": 422,
    "rate_limited": 429,
    "budget_spent": 429,
    "body_too_large": 413,
    "changed_meanwhile": 412,
    "invalid_request": 422,
    "not_ready": 503,
    "shutting_down": 503,
    "web_not_built": 503,
    # of things that are not there
    "not_found": 404,
    "collection_not_found": 404,
    "document_not_found": 404,
    "job_not_found": 404,
    "key_not_found": 404,
    "webhook_not_found": 404,
    "person_not_found": 404,
    "group_not_found": 404,
    "forbidden": 403,
    "model_not_found": 404,
    "answer_not_found": 404,
    "conversation_not_found": 404,
    "evaluation_not_found": 404,
    "example_not_found": 404,
    "prompt_not_found": 404,
    # of uploads and collections
    "unsupported_media_type": 415,
    "document_too_large": 413,
    "empty_document": 422,
    "bad_collection_name": 422,
    "bad_language": 422,
    "bad_metadata": 422,
    "bad_filter": 422,
    "reranker_not_set": 422,
    "bad_sampling": 422,
    "bad_name": 422,
    "collection_exists": 409,
    "person_exists": 409,
    "group_exists": 409,
    "last_owner": 409,
    "default_collection": 409,
    "job_not_retryable": 409,
    "job_finished": 409,
    "already_running": 409,
    "storage_full": 507,
    # of answers
    **dict.fromkeys(("answer_running", "answer_finished"), 409),
    "idempotency_key_reused": 422,
    "answer_not_replayable": 409,
    "answer_interrupted": 503,
    **dict.fromkeys(("evaluation_running", "evaluation_finished"), 409),
    "bad_evaluation_file": 422,
    "bad_evaluation_report": 422,
    "no_questions": 422,
    "bad_prompt": 422,
    "prompt_name_taken": 409,
    "no_earlier_prompt": 409,
    "adapter_not_found": 404,
    **dict.fromkeys(("adapter_in_use", "no_earlier_adapter"), 409),
    **dict.fromkeys(("adapter_missing", "adapter_unusable"), 503),
    "prompt_too_long": 422,
    "invalid_completion": 422,
    "generation_failed": 500,
    "model_unusable": 503,
    "generator_busy": 503,
    "generator_unavailable": 503,
    "generator_not_supported": 501,
    # of the service itself
    "database_behind": 503,
    "database_busy": 503,
    **dict.fromkeys(("blob_store_unavailable", "blob_store_refused"), 503),
    "lexical_index_busy": 503,
    "model_missing": 503,
    "classifier_unusable": 503,
    "encoder_unsupported": 503,
    "reranker_unusable": 503,
}

_TITLES: Final = {
    "unauthenticated": "Sign in first",
    "cross_origin": "Request from another site",
    "body_too_large": "Too large",
    "invalid_request": "Invalid request",
    "not_ready": "Not ready",
    "internal_error": "Internal error",
}


def status_of(error: CimientoError) -> int:
    """The HTTP status of a domain error; 500 for one that callers cannot cause."""
    return STATUS_BY_CODE.get(error.code, HTTPStatus.INTERNAL_SERVER_ERROR)


def build_problem(
    status: int, code: str, detail: str, faults: Sequence[FieldFault] = ()
) -> dict[str, object]:
    """The body of a problem+json answer."""
    problem: dict[str, object] = {
        "type": f"urn:cimiento:problem:{code}",
        "title": _TITLES.get(code, code.replace("_", " ").capitalize()),
        "status": status,
        "detail": detail,
        "code": code,
    }
    if faults:
        problem["errors"] = [{"field": fault.field, "message": fault.message} for fault in faults]
    return problem


def problem_of(error: CimientoError) -> dict[str, object]:
    """The problem of a domain error, for an event stream that has begun."""
    faults = error.faults if isinstance(error, InvalidRequestError) else ()
    if isinstance(error, BadFilterError):
        faults = (FieldFault(error.place, error.problem),)
    if isinstance(error, BadSamplingError):
        faults = (FieldFault(f"sampling.{error.field}", str(error)),)
    if isinstance(error, RerankerNotSetError):
        faults = (FieldFault("rerank", str(error)),)
    if isinstance(error, BadPromptError):
        faults = tuple(
            FieldFault(each.field or "source", f"line {each.line}: {each.message}")
            for each in error.faults
        )
    return build_problem(status_of(error), error.code, str(error), faults)


def internal_problem(request_id: str) -> dict[str, object]:
    """The problem of a bug: says where to look, and nothing else."""
    return build_problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal_error",
        f"Something went wrong on the server; its log has the details under {request_id}.",
    )


def install_error_handlers(
    app: FastAPI, *, missing_page: Callable[[Request], Response | None]
) -> None:
    """Answer every error of the application as a problem.

    missing_page: what a person sees at an address where nothing is; None for a problem there too.
    """
    app.add_exception_handler(CimientoError, _on_domain_error)
    app.add_exception_handler(SQLAlchemyError, _on_database_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, partial(_on_http_error, missing_page))


async def _on_domain_error(request: Request, error: Exception) -> Response:
    known = cast(CimientoError, error)
    problem = problem_of(known)
    if problem["status"] == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("request_failed", code=known.code, detail=str(known))
    return problem_response(problem, headers_of(known), path=request.url.path)


async def _on_database_error(request: Request, error: Exception) -> Response:
    known = find_known(error)
    if known is None:
        raise error
    _log.warning(known.code, path=request.url.path, error=str(error.__cause__))
    return await _on_domain_error(request, known)


def find_known(error: BaseException) -> CimientoError | None:
    """What an error of the database says to whoever asked; None where something else is wrong."""
    if is_bad_text(error):
        return InvalidRequestError.of(FieldFault("request", "no text may hold U+0000"))
    return find_busy(error)


def headers_of(error: CimientoError) -> dict[str, str]:
    """What a client is told of an error beside its problem."""
    if isinstance(error, UnauthenticatedError):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, RateLimitedError):
        return {"Retry-After": str(error.retry_after_s)}
    if status_of(error) == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        # the rest of the body is not read, so the connection cannot carry another request
        return {"Connection": "close"}
    return {}


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    invalid = cast(RequestValidationError, error)
    problem = problem_of(InvalidRequestError.of(*map(_fault, invalid.errors())))
    return problem_response(problem, path=request.url.path)


def _fault(entry: Mapping[str, Any]) -> FieldFault:
    # The first part says where the field was (body, query, path). What was sent is not repeated:
    # it may be a document's text or a password.
    place = [str(part) for part in entry["loc"][1:]] or ["body"]
    if entry["type"] == "json_invalid":
        return FieldFault("body", f"is not valid JSON: {entry['ctx']['error']}")
    return FieldFault(".".join(place), str(entry["msg"]).removeprefix("Value error, "))


_HTTP_CODES: Final = {
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
}


async def _on_http_error(
    missing_page: Callable[[Request], Response | None], request: Request, error: Exception
) -> Response:
    known = cast(HTTPException, error)
    if known.status_code == HTTPStatus.NOT_FOUND and (page := missing_page(request)) is not None:
        return page
    if known.status_code == HTTPStatus.BAD_REQUEST:
        # FastAPI could not read the body, and for no reason that it has a name for: bytes that are
        # no UTF-8, or thousands of brackets
        problem = problem_of(InvalidRequestError.of(FieldFault("body", "cannot be read")))
        return problem_response(problem, path=request.url.path)
    code = _HTTP_CODES.get(known.status_code, "http_error")
    details = {
        404: f"There is nothing at {request.url.path}.",
        405: f"{request.url.path} does not take {request.method}.",
    }
    detail = details.get(known.status_code, str(known.detail))
    problem = build_problem(known.status_code, code, detail)
    return problem_response(problem, known.headers, path=request.url.path)
