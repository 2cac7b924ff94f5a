"""What can be asked of the service: each call as data, for a client that waits and one that awaits.

Sends nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypedDict, TypeVar, Unpack
from urllib.parse import quote

from cimiento.client.models import Answer, Collection, Document, Job, Passage, Version

T = TypeVar("T")
Json = Mapping[str, Any]
Mode = Literal["hybrid", "dense", "lexical"]
OnConflict = Literal["replace", "version", "skip"]


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, and what its reply means.

    is_safe: sending it twice does what sending it once does, so a lost reply may be asked for
    again.
    """

    method: str
    path: str
    parse: Callable[[Any], T]
    params: Json = field(default_factory=dict)
    json: Json | None = None
    is_safe: bool = True


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of a list, and where the rest begins."""

    items: list[T]
    next_cursor: str | None


class SearchOptions(TypedDict, total=False):
    """How to search, as `POST /v1/search` has it; what is left out is the service's default."""

    collections: Sequence[str]
    top_k: int
    mode: Mode
    filter: Json
    rerank: bool
    keep_duplicates: bool
    diversity: float
    merge: bool
    neighbours: int
    split: bool


class AnswerOptions(TypedDict, total=False):
    """How to answer, as `POST /v1/answer` has it; what is left out is the service's default."""

    collections: Sequence[str]
    conversation_id: str
    in_place_of: str
    prompt: str
    top_k: int
    filter: Json
    min_confidence: float
    likelihood: bool
    sampling: Json


class DocumentFilter(TypedDict, total=False):
    """Which documents to list."""

    collection: str
    state: str
    q: str


def search(query: str, **options: Unpack[SearchOptions]) -> Call[list[Passage]]:
    """Passages that fit."""
    return Call("POST", "/v1/search", _passages, json={"query": query, **given(options)})


def get_answer(answer_id: str) -> Call[Answer]:
    """An answer that came to its end."""
    return Call("GET", f"/v1/answers/{quote(answer_id, safe='')}", Answer.model_validate)


def list_collections() -> Call[list[Collection]]:
    """All that the key sees."""
    return Call("GET", "/v1/collections", lambda body: _page(body, Collection.model_validate).items)


def create_collection(name: str, description: str) -> Call[Collection]:
    """A new one."""
    body = {"name": name, "description": description}
    return Call("POST", "/v1/collections", Collection.model_validate, json=body, is_safe=False)


def list_documents(cursor: str | None, **where: Unpack[DocumentFilter]) -> Call[Page[Document]]:
    """A page of them, newest first."""
    params = {**given(where), **({} if cursor is None else {"cursor": cursor})}
    return Call(
        "GET", "/v1/documents", lambda body: _page(body, Document.model_validate), params=params
    )


def get_document(document_id: str) -> Call[Document]:
    """One document."""
    return Call("GET", _document(document_id), Document.model_validate)


def list_versions(document_id: str) -> Call[list[Version]]:
    """Its versions, newest first."""
    return Call(
        "GET",
        f"{_document(document_id)}/versions",
        lambda body: _page(body, Version.model_validate).items,
    )


def delete_document(document_id: str) -> Call[None]:
    """Delete it. Sent again it is not found, so it is not sent again."""
    return Call("DELETE", _document(document_id), _nothing, is_safe=False)


def get_text(document_id: str, version: int | None) -> Call[str]:
    """The text that offsets point into."""
    params = {} if version is None else {"version": version}
    return Call(
        "GET", f"{_document(document_id)}/text", lambda body: str(body["text"]), params=params
    )


def get_job(job_id: str) -> Call[Job]:
    """One job."""
    return Call("GET", job_path(job_id), Job.model_validate)


def retry_job(job_id: str, password: str | None) -> Call[Job]:
    """Queue it anew."""
    body = None if password is None else {"password": password}
    return Call("POST", f"{job_path(job_id)}/retry", Job.model_validate, json=body, is_safe=False)


def cancel_job(job_id: str) -> Call[Job]:
    """End it."""
    return Call("DELETE", job_path(job_id), Job.model_validate, is_safe=False)


def job_path(job_id: str) -> str:
    """Where a job is."""
    return f"/v1/jobs/{quote(job_id, safe='')}"


def upload_path(collection: str) -> str:
    """Where a collection takes documents."""
    return f"/v1/collections/{quote(collection, safe='')}/documents"


def answer_events_path(answer_id: str) -> str:
    """Where the events of an answer are told again."""
    return f"/v1/answers/{quote(answer_id, safe='')}/events"


def _document(document_id: str) -> str:
    return f"/v1/documents/{quote(document_id, safe='')}"


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """What was given: None is how callers spell that it was not."""
    return {key: value for key, value in options.items() if value is not None}


def _passages(body: Json) -> list[Passage]:
    return [Passage.model_validate(each) for each in body["passages"]]


def _page(body: Json, parse: Callable[[Any], T]) -> Page[T]:
    return Page([parse(each) for each in body["items"]], body.get("next_cursor"))


def _nothing(_body: object) -> None:
    return None
