"""Routes for OpenAI's clients: models, chats, responses, embeddings. A collection is a model."""

import base64
from typing import Any, Final

import anyio.to_thread
import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from app.access import CallerAccess, TheCaller, note
from app.api.answer import begin_answer
from app.api.common import SENTENCES, TheLive, TheServices
from app.asking import Question
from app.errors import FieldFault, InvalidRequestError
from app.live_answers import LiveAnswers
from app.openai.asking import (
    ALL,
    PREFIX,
    collections_of,
    model_not_found,
    question_of_chat,
    question_of_response,
)
from app.openai.chat import ChatReply
from app.openai.fields import ChatRequest, EmbeddingsRequest, ResponseRequest
from app.openai.replies import Json, Reply
from app.openai.responses import ResponseReply
from app.openai.sending import send_stream, send_whole
from app.services import Services
from core.access import Access
from core.embedding import Embedder, Vectors

router = APIRouter(tags=["openai"])

# What an embedding model reads besides the text: its marks, and its prefix.
_RESERVED_TOKENS: Final = 8


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route, for OpenAPI, in OpenAI's shape; and those that all of them have."""
    return {
        status: {
            "description": SENTENCES[422 if status == 400 else status],
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/OpenAIProblem"}}
            },
        }
        for status in sorted({400, 401, 403, 429, 500, *statuses})
    }


def _replies(description: str) -> dict[int | str, dict[str, Any]]:
    kinds: dict[str, Any] = {"application/json": {}, "text/event-stream": {}}
    return {200: {"description": description, "content": kinds}, **_problems(404, 413, 503)}


@router.get("/v1/models", summary="List models", responses=_problems())
def list_models(services: TheServices, access: CallerAccess) -> JSONResponse:
    """A model for every collection that the caller sees, one for all, and the embedding model."""
    return JSONResponse({"object": "list", "data": list(_models(services, access).values())})


@router.get("/v1/models/{model:path}", summary="Show a model", responses=_problems(404))
def get_model(model: str, services: TheServices, access: CallerAccess) -> JSONResponse:
    """One of them, or several collections together."""
    models = _models(services, access)
    if model in models:
        return JSONResponse(models[model])
    parts = [models.get(f"{PREFIX}{name}") for name in collections_of(model) or ()]
    if None in parts:
        raise model_not_found(model)
    return JSONResponse(_model(model, max(each["created"] for each in parts if each)))


@router.post(
    "/v1/chat/completions",
    summary="Ask, in OpenAI's form of a chat",
    response_class=Response,
    responses=_replies("A chat completion; with `stream`, its chunks."),
)
async def complete_chat(
    request: Request, body: ChatRequest, services: TheServices, live: TheLive, caller: TheCaller
) -> Response:
    """Answer the last message from the collections that the model's name stands for.

    Citations are Markdown links in the text and annotations of the message, streamed or not.
    """
    question = await anyio.to_thread.run_sync(question_of_chat, services, body, caller)
    reply = ChatReply(question.id, body)
    return await _answer(request, services, live, question, reply, as_stream=bool(body.stream))


@router.post(
    "/v1/responses",
    summary="Ask, in OpenAI's form of a response",
    response_class=Response,
    responses=_replies("A response; with `stream`, its events."),
)
async def create_response(
    request: Request, body: ResponseRequest, services: TheServices, live: TheLive, caller: TheCaller
) -> Response:
    """Answer the input, or its last message, from the collections that the model stands for.

    Citations are Markdown links in the text and its annotations, streamed or not.
    """
    question = await anyio.to_thread.run_sync(question_of_response, services, body, caller)
    reply = ResponseReply(question.id, body)
    return await _answer(request, services, live, question, reply, as_stream=bool(body.stream))


@router.post("/v1/embeddings", summary="Embed texts", responses=_problems(404, 413, 503))
def create_embeddings(
    request: Request, body: EmbeddingsRequest, services: TheServices, caller: TheCaller
) -> JSONResponse:
    """Vectors of unit length, by the model that the index is made with."""
    embedder = services.embedder
    if body.model != embedder.model:
        raise model_not_found(body.model)
    num_tokens = sum(_count_tokens(embedder, body))
    embed = embedder.embed_queries if body.input_type == "query" else embedder.embed_passages
    vectors = embed(body.texts)
    services.doors.usage.add(caller.name, num_tokens)
    note(request, texts=len(vectors))
    data = [
        {"object": "embedding", "index": index, "embedding": embedding}
        for index, embedding in enumerate(_encode(vectors, body.encoding_format))
    ]
    usage = {"prompt_tokens": num_tokens, "total_tokens": num_tokens}
    return JSONResponse({"object": "list", "model": body.model, "data": data, "usage": usage})


async def _answer(
    request: Request,
    services: Services,
    live: LiveAnswers,
    question: Question,
    reply: Reply,
    *,
    as_stream: bool,
) -> Response:
    note(request, target=question.id, collections=question.collections)
    send = send_stream if as_stream else send_whole
    live.refuse_more()
    begun = begin_answer(live, services, question)
    return await send(request, begun, reply, services.settings.base_url)


def _models(services: Services, access: Access) -> dict[str, Json]:
    created = {ALL: 0, services.embedder.model: 0}
    for collection in services.collections.list(access):
        created[f"{PREFIX}{collection.name}"] = int(collection.created_at.timestamp())
    return {name: _model(name, moment) for name, moment in created.items()}


def _model(name: str, created: int) -> Json:
    return {"id": name, "object": "model", "created": created, "owned_by": "cimiento"}


def _count_tokens(embedder: Embedder, body: EmbeddingsRequest) -> list[int]:
    """Tokens of each text. Refuses what the model would not read to its end."""
    if body.dimensions not in (None, embedder.num_dimensions):
        fault = FieldFault("dimensions", f"the model has {embedder.num_dimensions} of them")
        raise InvalidRequestError.of(fault)
    counts = [len(embedder.tokens.starts(text)) for text in body.texts]
    most = embedder.tokens.max_tokens - _RESERVED_TOKENS
    for index, count in enumerate(counts):
        if count > most:
            place = "input" if isinstance(body.input, str) else f"input.{index}"
            fault = FieldFault(place, f"has {count} tokens; the model reads {most}")
            raise InvalidRequestError.of(fault)
    return counts


def _encode(vectors: Vectors, encoding: str) -> list[Any]:
    if encoding == "float":
        floats: list[Any] = vectors.tolist()
        return floats
    return [base64.b64encode(each.astype(np.dtype("<f4")).tobytes()).decode() for each in vectors]
