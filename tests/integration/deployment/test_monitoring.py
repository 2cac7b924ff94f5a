"""Board, alerts and proxy ask for what the service has: no figure that nobody exports."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Final

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from app.api import health
from app.metrics import BacklogCollector
from app.metrics import Metrics as ServiceMetrics
from app.outcomes import Outcome
from generation.engine.engine import EngineStats
from generation.types import Sampling, Usage
from generation.worker.metrics import Metrics as WorkerMetrics
from ingestion.jobs import Backlog
from tests.integration.deployment.files import DEPLOY, compose, run_tool

NAME: Final = re.compile(r"\b((?:cimiento|process)_[a-z0-9_]+|up)\b(?:\{([^}]*)\})?")
LABEL: Final = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
BY: Final = re.compile(r"\bby \(([^)]*)\)")
# of Prometheus itself
EVERYWHERE: Final = {"job", "instance"}
STATS: Final = EngineStats(**{field.name: 1 for field in fields(EngineStats)})


def outcome() -> Outcome:
    return Outcome(
        id="a",
        status="answered",
        finish_reason="stop",
        model="m",
        sampling=Sampling(),
        usage=Usage(),
        num_passages=1,
        conversation_id=None,
        retrieve_s=0.1,
        first_token_s=0.2,
        total_s=0.3,
    )


@pytest.fixture(scope="module")
def exported() -> dict[str, set[str]]:
    """Every series that the two kinds of process export, with its labels."""
    service = ServiceMetrics(BacklogCollector(lambda: Backlog(1, {"parse": 1}, 1, 1.0)))
    service.count_request("GET", "/v1/search", 404, seconds=0.1, problem="not_found")
    service.count_search(0.1)
    service.count_answer(outcome())
    worker = WorkerMetrics(lambda: STATS)
    worker.ended.labels("stop").inc()
    worker.refused.labels("busy").inc()
    found: dict[str, set[str]] = {"up": set()}
    for page in (service.render(), worker.render()):
        for family in text_string_to_metric_families(page.decode()):
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


def board() -> dict[str, object]:
    loaded: dict[str, object] = json.loads(
        (DEPLOY / "grafana" / "cimiento.json").read_text(encoding="utf-8")
    )
    return loaded


def queries() -> Iterator[tuple[str, str]]:
    panels = board()["panels"]
    assert isinstance(panels, list)
    for panel in panels:
        for target in panel.get("targets", ()):
            yield f"board: {panel['title']}", target["expr"]
    rules = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text(encoding="utf-8"))
    for rule in rules["groups"][0]["rules"]:
        yield f"alert: {rule['alert']}", rule["expr"]


@pytest.mark.parametrize(
    ("where", "query"), [pytest.param(*each, id=each[0]) for each in queries()]
)
def test_every_query_asks_for_series_and_labels_that_are_exported(
    where: str, query: str, exported: dict[str, set[str]]
) -> None:
    asked = NAME.findall(query)
    assert asked, f"{where} asks for nothing of ours"
    for name, matchers in asked:
        assert name in exported, f"{where}: nobody exports {name}"
        labels = set(LABEL.findall(matchers))
        for grouped in BY.findall(query):
            labels |= {each.strip() for each in grouped.split(",")}
        assert labels <= exported[name] | EVERYWHERE, f"{where}: {name} has no such label"


def test_the_board_shows_every_figure_of_the_queue_and_of_answers() -> None:
    text = " ".join(query for _, query in queries())
    for name in ("jobs_queued", "jobs_running", "jobs_failed", "jobs_oldest_seconds"):
        assert f"cimiento_{name}" in text
    for name in ("answers_total", "answers_under_way", "stage_duration_seconds", "tokens_total"):
        assert f"cimiento_{name}" in text


def test_what_scales_by_a_figure_names_one_that_is_exported(exported: dict[str, set[str]]) -> None:
    text = (DEPLOY / "kubernetes" / "autoscale" / "ingest.yaml").read_text(encoding="utf-8")
    (metric,) = yaml.safe_load(text)["spec"]["metrics"]
    assert metric["external"]["metric"]["name"] in exported


def test_prometheus_asks_the_services_that_there_are_with_the_keys_that_it_is_given() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    given = {f"/run/secrets/{name}" for name in compose()["services"]["prometheus"]["secrets"]}
    for scraped in config["scrape_configs"]:
        assert scraped["authorization"]["credentials_file"] in given
    names = [
        (job["job_name"], *each["names"], each["port"])
        for job in config["scrape_configs"]
        for each in job["dns_sd_configs"]
    ]
    assert names == [("cimiento", "api", 8420), ("cimiento-generate", "generate", 8421)]


def test_the_board_takes_the_source_that_is_provisioned() -> None:
    sources = yaml.safe_load((DEPLOY / "grafana" / "sources.yml").read_text(encoding="utf-8"))
    (source,) = sources["datasources"]
    assert source["uid"] in json.dumps(board()["templating"])
    boards = yaml.safe_load((DEPLOY / "grafana" / "boards.yml").read_text(encoding="utf-8"))
    folder = boards["providers"][0]["options"]["path"]
    mounts = compose()["services"]["grafana"]["volumes"]
    assert f"./deploy/grafana/cimiento.json:{folder}/cimiento.json:ro" in mounts


def test_the_proxy_asks_the_services_own_route() -> None:
    text = (DEPLOY / "proxy" / "haproxy.cfg").read_text(encoding="utf-8")
    (path,) = re.findall(r"http-check send meth GET uri (\S+)", text)
    assert path in {getattr(route, "path", "") for route in health.router.routes}


def test_haproxy_takes_its_configuration() -> None:
    config = str(DEPLOY / "proxy" / "haproxy.cfg")
    run_tool("haproxy", "-c", "-f", config, API_ADDRESS="localhost:8420")


def test_prometheus_takes_its_rules() -> None:
    run_tool("promtool", "check", "rules", str(DEPLOY / "prometheus" / "rules.yml"))
