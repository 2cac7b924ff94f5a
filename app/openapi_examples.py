"""What fields look like, by their names, on one page: examples for the OpenAPI. Pure.

A name means one thing throughout the API; where a schema means another, `Schema.name` says what.
What a schema, a parameter or a route says of itself goes before this page.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

Json = dict[str, Any]

_MOMENT: Final = "2026-11-02T09:30:00Z"
_ID: Final = "01k8zq4v9m3c7x2b5n8d6f1g0h"
_ANSWER: Final = f"ans_{_ID}"
_DOCUMENT: Final = f"doc_{_ID}"
_VERSION: Final = f"ver_{_ID}"
_COLLECTION: Final = "handbook"
_QUESTION: Final = "How many days of leave are there?"
_SENTENCE: Final = "Every employee has 25 days of paid leave a year."

FIELDS: Final[Mapping[str, Any]] = {
    # names of things, in bodies and in paths
    "adapter": "contracts@2",
    "answer_id": _ANSWER,
    "collection": _COLLECTION,
    "collections": [_COLLECTION],
    "conversation_id": f"cnv_{_ID}",
    "document_id": _DOCUMENT,
    "document_name": "leave.md",
    "evaluation_id": f"evl_{_ID}",
    "group": "people",
    "job_id": _VERSION,
    "key_id": f"key_{_ID}",
    "message_id": f"msg_{_ID}",
    "model": "cimiento/handbook",
    "number": 2,
    "person": "ana",
    "prompt": "direct@3",
    "reference": "direct@3",
    "webhook_id": f"whk_{_ID}",
    # what many have
    "created_at": _MOMENT,
    "updated_at": _MOMENT,
    "finished_at": _MOMENT,
    "published_at": _MOMENT,
    "started_at": _MOMENT,
    "expires_at": "2027-11-02T09:30:00Z",
    "description": "The staff handbook",
    "language": "en",
    "name": _COLLECTION,
    "next_cursor": None,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "version": 2,
    # documents and jobs
    "bytes": 48213,
    "media_type": "text/markdown",
    "num_documents": 12,
    "page_starts": [0, 1840],
    "stage": "embedding",
    # search and answers
    "answer": _SENTENCE,
    "confidence": 0.83,
    "correction": "25 days; 30 from the tenth year on.",
    "min_confidence": 0.29,
    "question": _QUESTION,
    "quote": _SENTENCE,
    "rating": "up",
    "retrieve_ms": 7.4,
    "score": 0.91,
    "status": "answered",
    "text": _SENTENCE,
    "title": "Leave in Spain",
    # people, keys and webhooks
    "display_name": "Ana Ruiz",
    "email": "ana@example.org",
    "groups": ["people"],
    "is_disabled": False,
    "is_enabled": True,
    "is_owner": False,
    "members": ["ana"],
    "role": "reader",
    "scopes": ["read", "ask"],
    "token": "https://cimiento.example/sign-in?token=Zk3vQd8Tn1yXw7Lb5Rc2Hs9Gf4Jm6Pa0",
    "url": "https://hooks.example.org/cimiento",
    # where a schema means something of its own
    "AdapterOut.name": "contracts",
    "AdapterOut.reference": "contracts@2",
    "ChatMessage.role": "user",
    "ComparisonOut.before": f"evl_{_ID}",
    "DecisionIn.state": "approved",
    "DeliveryOut.status": 204,
    "DocumentOut.id": _DOCUMENT,
    "DocumentOut.name": "leave.md",
    "EvaluationOut.name": "after the new chunks",
    "EvaluationOut.stage": "asking",
    "GrantOut.name": "ana",
    "GroupNew.name": "people",
    "GroupOut.name": "people",
    "JobRetry.password": "of the file alone",
    "KeyMade.name": "billing",
    "KeyNew.name": "billing",
    "KeyOut.name": "billing",
    "MeOut.collections": [{"name": _COLLECTION, "role": "reader"}],
    "MeOut.name": "ana",
    "MessageOut.role": "user",
    "PartTokens.question": 9,
    "PasswordChange.new": "correct horse battery staple",
    "PersonOut.name": "ana",
    "PersonUpdate.name": "ana",
    "PromptNew.source": "name: short\nen:\n  system: Answer in one sentence.\n",
    "PromptOut.name": "direct",
    "PromptWhole.name": "direct",
    "ProviderOut.title": "Example",
    "ProviderOut.url": "/sign-in/provider",
    "PurgedCounts.chunks": 12,
    "ReceiptOut.model": "smollm2-135m-instruct",
    "ReportOut.tokens_per_s": 31.5,
    "Status.status": "ok",
    "Version.version": "0.1.0",
}

_REPLY: Final = {"id": f"resp_{_ANSWER}", "object": "response", "model": "cimiento/handbook"}
_CHAT: Final = {"id": f"chatcmpl-{_ANSWER}", "model": "cimiento/handbook"}
# Of what has no schema: by kind, or by path and kind.
_UNTYPED: Final[Mapping[str, Any]] = {
    "*/*": "# Leave\n\nEvery employee has 25 days of paid leave a year.\n",
    "application/jsonl": json.dumps({"question": _QUESTION, "answers": ["25"]}) + "\n",
    "image/svg+xml": '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 600"></svg>',
    "text/html": "<!doctype html><title>Evaluation</title>",
    "text/plain": 'cimiento_answers_total{status="answered"} 12.0\n',
    "text/event-stream": 'event: delta\nid: 2\ndata: {"text": "Every employee has "}\n\n',
    "/v1/jobs/{job_id}/events text/event-stream": (
        'event: progress\nid: 1\ndata: {"state": "running", "stage": "embedding"}\n\n'
    ),
    "/v1/models application/json": {"object": "list", "data": [{"id": "cimiento/handbook"}]},
    "/v1/models/{model} application/json": {"id": "cimiento/handbook", "object": "model"},
    "/v1/embeddings application/json": {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.031, -0.044]}],
    },
    "/v1/chat/completions application/json": {
        **_CHAT,
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": _SENTENCE},
                "finish_reason": "stop",
            }
        ],
    },
    "/v1/responses application/json": {**_REPLY, "status": "completed"},
}


def add_examples(schema: Json) -> None:
    """Give examples to every field, parameter and reply of an OpenAPI that has none of its own."""
    for name, each in schema["components"]["schemas"].items():
        for field, said in each.get("properties", {}).items():
            _add(said, f"{name}.{field}", field)
    for path, operation in _operations(schema):
        for parameter in operation.get("parameters", ()):
            _add(parameter["schema"], parameter["name"])
        for response in operation["responses"].values():
            for kind, content in response.get("content", {}).items():
                found = _UNTYPED.get(f"{path} {kind}", _UNTYPED.get(kind))
                if found is not None and "$ref" not in content.get("schema", {}):
                    content.setdefault("example", found)


def _operations(schema: Json) -> Iterator[tuple[str, Json]]:
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            yield path, operation


def _add(said: Json, *names: str) -> None:
    """The first of these that the page has; what refers to a schema has that one's."""
    refers = "$ref" in said or any("$ref" in each for each in said.get("anyOf", ()))
    if refers or said.keys() & {"example", "examples"}:
        return
    for name in names:
        if name in FIELDS:
            said["examples"] = [FIELDS[name]]
            return
