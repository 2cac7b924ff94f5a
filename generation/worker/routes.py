"""The routes of a generation worker: read a body, ask the engine, reply."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Final, TypeVar, cast

import anyio
import anyio.to_thread
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from generation.async_reader import AsyncReader
from generation.completion import CompletionRequest, CompletionUsage
from generation.protocol import SPOKEN
from generation.worker.asking import (
    TENANT_HEADER,
    ask_chat,
    ask_text,
    prompt_of,
    tenant_of,
)
from generation.worker.errors import REFUSALS, ApiError, api_error_of
from generation.worker.metrics import Metrics, Stopwatch
from generation.worker.replies import ChatReply, Json, Reply, TextReply, usage_of
from generation.worker.schemas import (
    ChatBody,
    CompletionOptions,
    DetokenizeBody,
    ScoreBody,
    TextBody,
    TokenizeBody,
    parse,
)
from generation.worker.sending import StreamResponse, Work, send_whole, until_gone
from generation.worker.state import Phase, ServedModel, Worker

T = TypeVar("T")

FLEET: Final = "cimiento.fleet"
"""Key of an ASGI scope: addresses of all workers, where a request came in for any of them."""


async def chat_completions(request: Request) -> Response:
    """POST /v1/chat/completions."""
    body = parse(await request.body(), ChatBody)
    return await _complete(
        request,
        body,
        [
            ask_chat(
                body,
                tenant=_tenant(request, body.user),
                deadlines=_worker(request).limits.within(body.deadlines),
            )
        ],
        ChatReply,
    )


async def completions(request: Request) -> Response:
    """POST /v1/completions."""
    body = parse(await request.body(), TextBody)
    asked = ask_text(
        body,
        tenant=_tenant(request, body.user),
        deadlines=_worker(request).limits.within(body.deadlines),
    )
    return await _complete(request, body, asked, TextReply)


async def score(request: Request) -> Response:
    """POST /v1/score: log-likelihoods of continuations."""
    body = parse(await request.body(), ScoreBody)
    prompt = prompt_of(body)
    served = _worker(request).get_served(body.model)
    tenant = _tenant(request, None)

    def compute() -> tuple[list[float], int]:
        prompt_ids = served.completer.encode(prompt)
        scores = served.completer.score(
            prompt_ids, body.continuations, tenant=tenant, adapter=body.adapter
        )
        return scores, len(prompt_ids)

    threads = request.app.state.score_threads
    scores, num_tokens = await until_gone(
        request.receive, lambda: _in_thread(compute, limiter=threads)
    )
    data = [{"index": index, "score": value} for index, value in enumerate(scores)]
    usage = usage_of(CompletionUsage(prompt_tokens=num_tokens))
    return JSONResponse({"object": "list", "model": served.model, "data": data, "usage": usage})


async def tokenize(request: Request) -> Response:
    """POST /tokenize: the tokens of a text or a conversation."""
    body = parse(await request.body(), TokenizeBody)
    prompt = prompt_of(body)
    completer = _worker(request).get_served(body.model).completer
    tokens = await _in_thread(lambda: completer.encode(prompt))
    return JSONResponse(
        {"count": len(tokens), "max_model_len": completer.max_context, "tokens": tokens}
    )


async def detokenize(request: Request) -> Response:
    """POST /detokenize: the text of tokens."""
    body = parse(await request.body(), DetokenizeBody)
    tokenizer = _worker(request).get_served(body.model).completer.tokenizer
    for token in body.tokens:
        if not 0 <= token < tokenizer.vocab_size:
            raise ApiError(
                400,
                "invalid_value",
                f"token {token} is outside the vocabulary of {tokenizer.vocab_size}",
                param="tokens",
            )
    return JSONResponse({"prompt": await _in_thread(lambda: tokenizer.decode(body.tokens))})


async def models(request: Request) -> Response:
    """GET /v1/models: the one that is served; at a fleet's address, by whom."""
    described = _describe(_worker(request))
    if FLEET in request.scope:
        described["workers"] = list(request.scope[FLEET])
    return JSONResponse({"object": "list", "data": [described]})


async def model(request: Request) -> Response:
    """GET /v1/models/{model}."""
    worker = _worker(request)
    worker.get_served(request.path_params["model"])
    return JSONResponse(_describe(worker))


async def health(request: Request) -> Response:
    """GET /health: the process answers, whatever the model does."""
    return JSONResponse({"status": _worker(request).phase})


async def ready(request: Request) -> Response:
    """GET /ready: 200 while requests are served."""
    _worker(request).check_ready()
    return JSONResponse({"status": Phase.READY})


async def metrics(request: Request) -> Response:
    """GET /metrics, for Prometheus."""
    page = await anyio.to_thread.run_sync(_metrics(request).render)
    return Response(page, media_type=CONTENT_TYPE_LATEST)


ROUTES: Final = (
    Route("/v1/chat/completions", chat_completions, methods=["POST"]),
    Route("/v1/completions", completions, methods=["POST"]),
    Route("/v1/score", score, methods=["POST"]),
    Route("/v1/models", models, methods=["GET"]),
    Route("/v1/models/{model:path}", model, methods=["GET"]),
    Route("/tokenize", tokenize, methods=["POST"]),
    Route("/detokenize", detokenize, methods=["POST"]),
    Route("/health", health, methods=["GET"]),
    Route("/ready", ready, methods=["GET"]),
    Route("/metrics", metrics, methods=["GET"]),
)


async def _complete(
    request: Request,
    body: CompletionOptions,
    asked: Sequence[CompletionRequest],
    shape: type[Reply],
) -> Response:
    worker = _worker(request)
    stopwatch = Stopwatch(_metrics(request))
    served = worker.get_served(body.model)
    prepared = await _in_thread(lambda: [served.completer.prepare(item) for item in asked])
    worker.check_ready()  # preparing took a while
    try:
        reader = AsyncReader(served.completer, prepared)
    except REFUSALS as error:
        raise api_error_of(error) from error
    reply = shape(
        served.model,
        num_samples=reader.num_samples,
        with_logprobs=asked[0].params.num_logprobs is not None,
    )
    work = Work(reader, reply, stopwatch)
    if body.stream:
        return StreamResponse(work, include_usage=body.stream_options.include_usage)
    return await send_whole(request.receive, work)


async def _in_thread(
    compute: Callable[[], T], *, limiter: anyio.CapacityLimiter | None = None
) -> T:
    """Compute beside the event loop. A client that leaves does not wait for it."""
    try:
        return await anyio.to_thread.run_sync(compute, abandon_on_cancel=True, limiter=limiter)
    except REFUSALS as error:
        raise api_error_of(error) from error


def _describe(worker: Worker) -> Json:
    served: ServedModel = worker.get_served()
    return {
        "id": served.model,
        "object": "model",
        "created": worker.started_at,
        "owned_by": "cimiento",
        "max_model_len": served.completer.max_context,
        "model_sha256": served.model_sha256,
        "version": version("cimiento"),
        "protocol": SPOKEN.as_fields(),
    }


def _worker(request: Request) -> Worker:
    return cast("Worker", request.app.state.worker)


def _metrics(request: Request) -> Metrics:
    return cast("Metrics", request.app.state.metrics)


def _tenant(request: Request, user: str | None) -> str:
    return tenant_of(request.headers.get(TENANT_HEADER), user)
