"""The reference page of the worker names every route, error, metric and option there is."""

import re
from pathlib import Path

from starlette.routing import Route

from generation.engine_metrics import PREFIX
from generation.worker import app, errors, gate, replies, routes, schemas, sending, state
from generation.worker.routes import ROUTES
from generation.worker.schemas import ChatBody, TextBody
from tests.unit.generation.worker_house import CHAT, House

PAGE = (Path(__file__).parents[3] / "docs/reference/generation-worker.md").read_text()
SOURCES = [
    Path(str(module.__file__)).read_text()
    for module in (app, errors, gate, replies, routes, schemas, sending, state)
]


def test_every_route_is_on_the_page() -> None:
    served = {
        f"{method} {route.path.replace(':path', '')}"
        for route in ROUTES
        if isinstance(route, Route)
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert served == set(re.findall(r"^\| `([A-Z]+ /\S*)` \|", PAGE, flags=re.MULTILINE))


def test_every_error_is_on_the_page() -> None:
    raised = {
        code
        for source in SOURCES
        for code in re.findall(r"(?:ApiError|_Kind)\(\s*\d+,\s*\"([a-z_]+)\"", source)
    }
    raised |= set(app._CODES.values()) | {"model_loading", "model_failed", "shutting_down"}
    assert raised == set(re.findall(r"^\| \d+ \| `([a-z_]+)` \|", PAGE, flags=re.MULTILINE))


def test_every_metric_is_on_the_page() -> None:
    house = House().started()
    house.post("/v1/chat/completions", CHAT)
    house.post("/v1/chat/completions", {})
    page = house.get("/metrics").text
    shown = set(re.findall(rf"^{PREFIX}(\w+?)(?:_bucket|_count|_sum)?(?:{{| )", page, re.MULTILINE))
    shown = {name for name in shown if not name.endswith("_created")}
    assert shown == set(
        re.findall(r"^\| `(\w+)` \| (?:gauge|counter|histogram) \|", PAGE, re.MULTILINE)
    )


def test_every_option_is_on_the_page() -> None:
    options = {*ChatBody.model_fields, *TextBody.model_fields} - {"model"}
    assert [name for name in sorted(options) if f"{name}" not in PAGE] == []
