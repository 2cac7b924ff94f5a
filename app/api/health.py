"""Routes for operators. Live says the process answers; ready says questions can be."""

from importlib.metadata import version

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from app.access import CallerAccess
from app.api.common import TheDraining, TheLive, TheServices, problems
from app.api.fields import Reply
from app.errors import NotReadyError
from app.readiness import Readiness

router = APIRouter(tags=["service"])


class Status(Reply):
    """The state of the service."""

    status: str


class Version(Reply):
    """Which Cimiento this is."""

    version: str


@router.get("/health/live", summary="Is the process alive?", responses=problems())
def live() -> Status:
    """Always 200 while the process answers."""
    return Status(status="alive")


@router.get("/health/ready", summary="Can questions be answered?", responses=problems(503))
def ready(request: Request) -> Status:
    """200 once models, database and ingestion are there; else a problem that says what is not."""
    readiness: Readiness = request.app.state.readiness
    missing = readiness.missing()
    if missing:
        raise NotReadyError("; ".join(missing))
    return Status(status="ready")


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=PlainTextResponse,
    responses={200: {"description": "In Prometheus's text format."}, **problems()},
)
def get_metrics(services: TheServices, live: TheLive, draining: TheDraining) -> Response:
    """Requests, stages, queue, tokens, cache hits and refusals; for keys with the scope `metrics`.

    No label names anybody, and none takes many values.
    """
    metrics = services.metrics
    metrics.note_under_way(draining.num_under_way, live.num_running)
    return Response(metrics.render(), media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/version", summary="Which version is this?", responses=problems())
def get_version(_access: CallerAccess) -> Version:
    """The version of the service."""
    return Version(version=version("cimiento"))
