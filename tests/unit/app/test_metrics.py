"""What Prometheus is told: of requests, answers, tokens and the queue, in few series."""

import re
from pathlib import Path

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.exc import OperationalError

from app.metrics import BacklogCollector, Metrics
from app.people.credentials import NewKey
from core.access import Scope
from ingestion.jobs import Backlog
from tests.unit.app.evaluation_runs import Stopping
from tests.unit.app.house import POOL, House

Labels = dict[str, str]


def watcher(house: House) -> TestClient:
    """What Prometheus is given: a key that opens nothing else."""
    new = NewKey("prometheus", scopes=frozenset({Scope.METRICS}))
    _, key = house.services.credentials.create(new)
    return house.new_client({"Authorization": f"Bearer {key}"})


def read(house: House) -> dict[str, list[tuple[Labels, float]]]:
    """Every series by its name."""
    page = watcher(house).get("/metrics")
    assert page.status_code == 200, page.text
    found: dict[str, list[tuple[Labels, float]]] = {}
    for family in text_string_to_metric_families(page.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def value(series: list[tuple[Labels, float]], **labels: str) -> float:
    """The one series with these labels."""
    (found,) = [number for each, number in series if labels.items() <= each.items()]
    return found


def test_requests_are_counted_by_route_and_not_by_path(pool: House) -> None:
    for name in ("default", "nowhere", "elsewhere"):
        pool.client.get(f"/v1/collections/{name}")
    pool.client.get("/wp-login.php")
    pool.client.request("BREW", "/v1/collections")
    pool.client.post("/v1/search", content=b"{")
    series = read(pool)["cimiento_requests_total"]
    one = "/v1/collections/{name}"
    assert value(series, method="GET", route=one, status="200") == 1
    assert value(series, method="GET", route=one, status="404") == 2
    assert value(series, route="none", status="404") == 1
    assert value(series, method="other", status="405") == 1
    assert value(series, method="POST", route="/v1/search", status="422") == 1
    assert not re.search("wp-login|nowhere", str(series))


def test_errors_are_counted_by_code(pool: House) -> None:
    pool.client.get("/v1/collections/nowhere")
    pool.stranger.get("/v1/collections")
    pool.client.get("/v1/jobs", params={"state": "odd"})
    pool.client.get("/v1/jobs", headers={"Host": "evil.example"})
    series = read(pool)["cimiento_problems_total"]
    for code in ("collection_not_found", "unauthenticated", "invalid_request", "wrong_host"):
        assert value(series, code=code) == 1


def test_answers_refusals_tokens_and_stages_are_counted(pool: House) -> None:
    body = {"question": "When does the swimming pool open?"}
    asked = pool.client.post("/v1/answer", json={**body, "min_confidence": 0}).json()
    pool.client.post("/v1/answer", json={**body, "min_confidence": 1})
    pool.client.post("/v1/search", json={"query": "towels"})
    series = read(pool)
    answers = series["cimiento_answers_total"]
    assert value(answers, status=asked["status"]) == 1
    assert value(answers, status="refused") == 1
    assert value(answers, status="failed") == 0
    tokens = series["cimiento_tokens_total"]
    assert value(tokens, kind="prompt") >= asked["usage"]["prompt_tokens"] > 0
    stages = series["cimiento_stage_duration_seconds_count"]
    assert value(stages, stage="search") == 1
    assert value(stages, stage="retrieve") == value(stages, stage="answer") == 2
    assert value(stages, stage="first_token") == 1


def test_an_answer_that_cannot_be_kept_is_counted_once_and_as_failed(tmp_path: Path) -> None:
    generator = Stopping(after=1)
    house = House(tmp_path, generator=generator)
    house.add("pool.txt", POOL)
    conversation = house.client.post("/v1/conversations", json={}).json()["id"]
    generator.do = lambda: house.client.delete(f"/v1/conversations/{conversation}")
    body = {"question": "When does the swimming pool open?", "min_confidence": 0}
    refused = house.client.post("/v1/answer", json={**body, "conversation_id": conversation})
    assert (refused.status_code, refused.json()["code"]) == (404, "conversation_not_found")
    answers = read(house)["cimiento_answers_total"]
    assert value(answers, status="failed") == 1
    assert sum(number for _, number in answers) == 1
    house.close()


def test_the_queue_is_read_from_the_database(house: House) -> None:
    house.upload("pool.txt", POOL)
    house.upload("broken.pdf", b"%PDF-1.7 broken")
    series = read(house)
    assert value(series["cimiento_jobs_queued"]) == 2
    assert value(series["cimiento_jobs_oldest_seconds"]) >= 0
    assert value(series["cimiento_database_up"]) == 1
    house.ingest()
    series = read(house)
    assert value(series["cimiento_jobs_queued"]) == 0
    assert value(series["cimiento_jobs_failed"]) == 1


def test_running_jobs_are_told_by_their_stage() -> None:
    backlog = Backlog(num_queued=3, num_running={"embedding": 2}, num_failed=0, oldest_s=1.5)
    page = Metrics(BacklogCollector(lambda: backlog)).render().decode()
    assert 'cimiento_jobs_running{stage="embedding"} 2.0' in page


def test_without_a_database_the_rest_is_still_told() -> None:
    def read() -> Backlog:
        raise OperationalError("SELECT", {}, Exception("gone"))

    page = Metrics(BacklogCollector(read)).render().decode()
    assert "cimiento_database_up 0.0" in page
    assert "cimiento_answers_total" in page


def test_a_key_for_metrics_opens_nothing_else(pool: House) -> None:
    client = watcher(pool)
    assert client.get("/v1/collections").status_code == 403
    assert client.post("/v1/search", json={"query": "pool"}).status_code == 403
    # nor does any other key open the figures, unless it was made for that
    assert pool.client.get("/metrics").status_code == 403


def test_two_applications_over_the_same_rooms_share_their_figures(house: House) -> None:
    house.with_settings(public_url="https://docs.example.org")
    house.client.get("/v1/collections")
    assert read(house)["cimiento_requests_total"]
