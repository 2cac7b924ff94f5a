"""A service that is told to stop takes nothing new, and says so; what it has begun goes on."""

import pytest

from tests.unit.app.house import House

QUESTION = {"question": "When does the swimming pool open?", "min_confidence": 0}


@pytest.fixture
def draining(pool: House) -> House:
    """A service that has answered, and was told to stop then."""
    pool.app.state.draining.begin()
    return pool


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/answer"),
        ("POST", "/v1/search"),
        ("POST", "/v1/collections/default/documents"),
        ("POST", "/v1/answers/ans_1/replay"),
        ("GET", "/v1/collections"),
        ("GET", "/"),
    ],
)
def test_new_work_is_refused_before_anything_is_read(
    draining: House, method: str, path: str
) -> None:
    for client in (draining.client, draining.stranger):
        response = client.request(method, path, content=b"{")
        assert (response.status_code, response.json()["code"]) == (503, "shutting_down")
        assert int(response.headers["retry-after"]) > 0
        assert response.headers["x-content-type-options"] == "nosniff"


def test_a_load_balancer_is_told(draining: House) -> None:
    ready = draining.stranger.get("/health/ready")
    assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")
    assert "shutting down" in ready.json()["detail"]
    assert draining.stranger.get("/health/live").status_code == 200


def test_an_answer_that_was_begun_can_be_fetched(pool: House) -> None:
    answer_id = pool.client.post("/v1/answer", json=QUESTION).json()["id"]
    pool.app.state.draining.begin()
    assert pool.client.get(f"/v1/answers/{answer_id}").status_code == 200
    assert pool.client.get(f"/v1/answers/{answer_id}/events").status_code == 200
    assert pool.client.post(f"/v1/answers/{answer_id}/cancel").status_code == 409


def test_nothing_is_under_way_once_everybody_is_answered(pool: House) -> None:
    pool.client.post("/v1/answer", json=QUESTION)
    pool.client.get("/nowhere")
    assert pool.app.state.draining.num_under_way == 0
    assert pool.app.state.live.num_running == 0
