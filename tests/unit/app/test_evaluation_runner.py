"""Evaluation runs in the background: how they go on, end and fail."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.evaluation.background import EvaluationRunner
from app.people.accounts import PersonChange
from core.errors import CimientoError
from core.evaluation_tables import EvaluationRow
from core.locks import file_lock
from tests.fakes_generation import FakeGenerator
from tests.unit.app.evaluation_runs import CEILING, OPENS, TOWELS, Stopping, done, get, lines, start
from tests.unit.app.house import POOL, House


@pytest.fixture
def stopping(tmp_path: Path) -> Iterator[tuple[House, Stopping]]:
    generator = Stopping(after=2)
    house = House(tmp_path / "data", generator=generator)
    house.add("pool.txt", POOL)
    yield house, generator
    house.close()


def test_a_run_whose_process_stopped_goes_on_with_its_next_question(
    stopping: tuple[House, Stopping],
) -> None:
    house, generator = stopping
    run = start(house, OPENS, TOWELS, CEILING)
    first = EvaluationRunner(house.services)
    generator.do = first.stop
    first.run_queued()
    half = get(house, run)
    assert (half["state"], half["stage"], half["done"], half["total"]) == (
        "running",
        "asking",
        1,
        3,
    )

    house.evaluate()

    assert (get(house, run)["state"], get(house, run)["done"]) == ("done", 3)
    again = done(house, OPENS, TOWELS, CEILING)
    resumed, plain = (get(house, each, part="/report") for each in (run, again))
    assert resumed["figures"] == plain["figures"]
    assert resumed["manifest"]["cases_sha256"] == plain["manifest"]["cases_sha256"]


def test_a_run_does_not_go_on_with_another_model(stopping: tuple[House, Stopping]) -> None:
    house, generator = stopping
    run = start(house, OPENS, TOWELS, CEILING)
    first = EvaluationRunner(house.services)
    generator.do = first.stop
    first.run_queued()
    generator.model = "another"

    house.evaluate()

    ended = get(house, run)
    assert (ended["state"], ended["error"]["code"]) == ("failed", "evaluation_outdated")
    assert "model" in ended["error"]["message"]
    assert len(get(house, run, part="/report")["cases"]) == 1


@pytest.mark.parametrize("way", ["cancel", "delete"])
def test_a_run_that_is_cancelled_or_deleted_asks_nothing_further(
    stopping: tuple[House, Stopping], way: str
) -> None:
    house, generator = stopping
    run = start(house, OPENS, TOWELS, CEILING)
    path = f"/v1/evaluations/{run['id']}"
    method, place = ("POST", f"{path}/cancel") if way == "cancel" else ("DELETE", path)
    generator.do = lambda: house.client.request(method, place)

    house.evaluate()

    assert generator.left == 0
    if way == "cancel":
        assert (get(house, run)["state"], get(house, run)["done"]) == ("cancelled", 1)
        assert len(get(house, run, part="/report")["cases"]) == 1
    else:
        assert house.client.get(path).status_code == 404


def test_a_run_ends_with_the_key_that_started_it(stopping: tuple[House, Stopping]) -> None:
    house, generator = stopping
    (key,) = house.services.credentials.list_keys()
    run = start(house, OPENS, TOWELS, CEILING)
    generator.do = lambda: house.services.credentials.revoke_key(key.id)
    house.evaluate()
    assert generator.left == 0
    with house.services.database.read_scope() as session:
        row = session.get_one(EvaluationRow, run["id"])
        assert (row.state, row.error_code) == ("failed", "caller_gone")
        assert row.num_asked == 2


def test_a_run_ends_with_the_account_that_started_it(stopping: tuple[House, Stopping]) -> None:
    house, generator = stopping
    people = house.services.doors.people
    ana = people.create("ana", is_owner=True)
    browser = house.new_client({"Sec-Fetch-Site": "same-origin"})
    browser.cookies.set("cimiento_session", house.services.doors.sessions.open(ana.id))
    body = {"questions": lines(OPENS, TOWELS, CEILING), "min_confidence": 0}
    run = browser.post("/v1/evaluations", json=body).json()
    people.create("ben", is_owner=True)
    generator.do = lambda: people.update("ana", PersonChange(is_disabled=True))
    house.evaluate()
    people.update("ana", PersonChange(is_disabled=False))
    browser.cookies.set("cimiento_session", house.services.doors.sessions.open(ana.id))
    ended = browser.get(f"/v1/evaluations/{run['id']}").json()
    assert (ended["state"], ended["error"]["code"]) == ("failed", "caller_gone")
    assert 0 < ended["done"] < 3


def test_of_two_processes_one_runs_evaluations(pool: House) -> None:
    run = start(pool, OPENS)
    lock = pool.services.settings.data_dir / "evaluations.lock"
    with file_lock(lock, doing="runs evaluations", wait_s=0.0):
        pool.evaluate()
    assert get(pool, run)["state"] == "queued"
    pool.evaluate()
    assert get(pool, run)["state"] == "done"


def test_runs_are_worked_off_beside_the_service(pool: House) -> None:
    run = start(pool, OPENS)
    runner = EvaluationRunner(pool.services)
    runner.start()
    try:
        waiting = threading.Event()
        while get(pool, run)["state"] in ("queued", "running"):
            waiting.wait(0.01)
    finally:
        runner.stop()
    assert get(pool, run)["state"] == "done"


class BrokenError(CimientoError):
    code = "generation_failed"


def test_a_run_whose_model_fails_says_so_and_keeps_what_was_asked(
    stopping: tuple[House, Stopping],
) -> None:
    house, generator = stopping

    def break_it() -> None:
        generator.error = BrokenError("the model is broken")

    generator.do = break_it
    run = done(house, OPENS, TOWELS, CEILING)
    assert (run["state"], run["error"]) == (
        "failed",
        {"code": "generation_failed", "message": "the model is broken"},
    )
    assert len(get(house, run, part="/report")["cases"]) == 2


def test_a_bug_ends_a_run_and_tells_nothing_of_the_inside(tmp_path: Path) -> None:
    house = House(tmp_path, generator=FakeGenerator(error=ZeroDivisionError("hunter2")))
    house.add("pool.txt", POOL)
    run = done(house, OPENS)
    assert (run["state"], run["error"]["code"]) == ("failed", "internal_error")
    assert "hunter2" not in str(run)
    house.close()
