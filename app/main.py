"""The HTTP application, put together. Constructs no adapter: it is handed the services."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import anyio.to_thread
from fastapi import Depends, FastAPI
from sqlalchemy.exc import SQLAlchemyError

import migrations
from app.access import guard
from app.api import (
    adapters,
    answer,
    answers,
    audit,
    collections,
    conversations,
    documents,
    evaluations,
    health,
    jobs,
    keys,
    labels,
    maps,
    mcp,
    operations,
    people,
    prompts,
    provider,
    search,
    sharing,
    sign_in,
    web,
    webhooks,
)
from app.api.answer_schemas import PassagesEvent
from app.api.common import SENTENCES
from app.api.schemas import Problem
from app.api.web_files import WebFiles
from app.conditional import ConditionalReads
from app.draining import Draining
from app.edge import Edge
from app.errors import install_error_handlers
from app.evaluation.background import EvaluationRunner
from app.job_watch import JobWatch
from app.live_answers import LiveAnswers
from app.openai import routes as openai
from app.openai.schemas import OpenAIProblem
from app.openapi_examples import add_examples
from app.presence import Presence
from app.problem_shapes import speaks_openai
from app.readiness import Condition, Readiness
from app.rules import PUBLIC_PATHS
from app.services import Services
from core.database import Database
from core.errors import DatabaseBehindError

# A request is compared with each path before its own: what is asked most comes first.
_ROUTERS: Final = (
    search.router,
    collections.router,
    maps.router,
    documents.router,
    labels.router,
    jobs.router,
    answer.router,
    answers.router,
    openai.router,
    conversations.router,
    evaluations.router,
    prompts.router,
    adapters.router,
    sign_in.router,
    provider.router,
    people.router,
    sharing.router,
    keys.router,
    audit.router,
    webhooks.router,
    operations.router,
    health.router,
    web.router,
    mcp.router,
)
# JSON, and the bytes of documents
_WITH_TAGS: Final = frozenset({"application/json", "*/*"})
_DESCRIPTION: Final = (
    "Answers from your own documents, with the exact place every sentence comes from. "
    "Services send `Authorization: Bearer KEY`; `cimiento keys create` makes keys. "
    "Errors are problem+json with a stable `code`."
)


def create_app(
    services: Services, *, conditions: Sequence[Condition] = (), web_root: Path = web.WEB_ROOT
) -> FastAPI:
    """Build the application. `conditions` must hold, besides the usual ones, for it to be ready.

    web_root: the folder that the web application was built into.
    """
    app = FastAPI(
        title="Cimiento",
        version=version("cimiento"),
        description=_DESCRIPTION,
        # The usual pages load scripts from another host; /openapi.json is there for any viewer.
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        dependencies=[Depends(guard, scope="function")],
        # operation ids are what generated clients call their functions
        generate_unique_id_function=lambda route: route.name,
        telemetry=services.tracing.of_requests,
    )
    draining = Draining()
    app.state.draining = draining
    app.state.services = services
    app.state.web_root = web_root
    server = services.settings.server
    live = LiveAnswers(resume_s=server.resume_s, max_running=server.max_answers)
    app.state.live = live
    # the other processes of one address; who has any is told later
    app.state.siblings = None
    app.state.presence = Presence(
        services.servers,
        services.running,
        live,
        idempotency=services.idempotency,
        deliverer=services.deliverer,
    )
    app.state.watch = JobWatch(services.jobs.find_all, is_ending=lambda: draining.is_on)
    app.state.evaluations = EvaluationRunner(services)
    app.state.mcp = mcp.build_mounted_server(app, services.settings.base_url)
    stays = Condition("the service is shutting down", lambda: not draining.is_on)
    app.state.readiness = Readiness(
        services.warm_ups, (_database_is_current(services.database), stays, *conditions)
    )
    app.add_middleware(ConditionalReads)
    app.add_middleware(
        Edge, settings=services.settings, metrics=services.metrics, draining=draining
    )
    install_error_handlers(app, missing_page=web.missing_page)
    for router in _ROUTERS:
        app.include_router(router)
    app.mount("/static", WebFiles(web_root), name="static")
    app.openapi = _openapi_of(app, app.openapi)  # type: ignore[method-assign] # FastAPI's own recipe
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.readiness.start()
    services: Services = app.state.services
    presence: Presence = app.state.presence
    await anyio.to_thread.run_sync(presence.start)
    services.lexical.start()
    runner: EvaluationRunner = app.state.evaluations
    runner.start()
    services.deliverer.start()
    yield
    await anyio.to_thread.run_sync(services.deliverer.stop)
    await anyio.to_thread.run_sync(runner.stop)
    live: LiveAnswers = app.state.live
    await anyio.to_thread.run_sync(live.stop)
    # after the answers: until they have ended they are this process's
    await anyio.to_thread.run_sync(presence.stop)
    await anyio.to_thread.run_sync(services.lexical.stop)


def _database_is_current(database: Database) -> Condition:
    def holds() -> bool:
        try:
            migrations.check(database)
        except (DatabaseBehindError, SQLAlchemyError):
            return False
        return True

    return Condition("the database cannot be used; run 'cimiento db upgrade'", holds)


def _tell_responses(method: str, path: str, operation: dict[str, Any]) -> None:
    """Say what FastAPI cannot know of a route's responses."""
    told: dict[str, Any] = operation["responses"]
    if method == "get" and told.get("200", {}).get("content", {}).keys() & _WITH_TAGS:
        told["304"] = {"description": "It is what `If-None-Match` says."}
    everywhere = (413, 421, 503) if "requestBody" in operation else (421, 503)
    for status in everywhere:
        told.setdefault(str(status), {**told["500"], "description": SENTENCES[status]})
    if speaks_openai(path):
        # added by FastAPI; this protocol says 400
        told.pop("422", None)
    for response in told.values():
        # each event has a name, an id and data: no schema of OpenAPI 3.1 can say so
        response.get("content", {}).get("text/event-stream", {}).pop("schema", None)
    operation["responses"] = dict(sorted(told.items()))


def _openapi_of(app: FastAPI, build: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Add what FastAPI cannot know: problems, events, and that every route wants a key."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = build()
            components = schema.setdefault("components", {})
            schemas = components.setdefault("schemas", {})
            for model in (Problem, OpenAIProblem, PassagesEvent):
                said = model.model_json_schema(
                    ref_template="#/components/schemas/{model}", mode="serialization"
                )
                schemas |= said.pop("$defs", {})
                schemas[model.__name__] = said
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            for path, operations in schema["paths"].items():
                for method, operation in operations.items():
                    _tell_responses(method, path, operation)
            add_examples(schema)
            components["securitySchemes"] = {
                "key": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "cimiento_session"},
            }
            schema["security"] = [{"key": []}, {"session": []}]
            for path in PUBLIC_PATHS & schema["paths"].keys():
                for operation in schema["paths"][path].values():
                    operation["security"] = []
            app.openapi_schema = schema
        return app.openapi_schema

    return openapi
