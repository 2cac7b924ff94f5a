"""What runs beside the server: the supervised child, the warm-up, the lock of receivers."""

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import main
from app.cli.serve import embedding_threads
from app.readiness import Condition, Readiness
from app.receiving import receiving
from app.supervisor import Supervisor, child_of
from core.models import ModelMissingError
from core.settings import Settings
from tests.unit.app.house import House


def eventually(holds: Callable[[], bool], *, within_s: float = 60.0) -> bool:
    """Whether something comes to hold."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def child(source: str) -> list[str]:
    """A child process that runs a few lines."""
    return [sys.executable, "-c", source]


def test_a_child_that_dies_is_started_again(tmp_path: Path) -> None:
    births = tmp_path / "births"
    source = f"open({str(births)!r}, 'a').write('x')"
    with Supervisor(child_of(child(source)), first_pause_s=0.01):
        assert eventually(lambda: births.exists() and len(births.read_text()) >= 2)


def test_a_child_is_stopped_with_its_parent() -> None:
    with Supervisor(child_of(child("import time; time.sleep(60)"))) as supervisor:
        assert eventually(supervisor.is_alive)
    assert not supervisor.is_alive()


def test_ready_says_what_is_loading_and_what_failed() -> None:
    may_load = threading.Event()

    def missing() -> None:
        raise ModelMissingError("run 'cimiento models pull'")

    def slow() -> None:
        may_load.wait(60)

    readiness = Readiness({"the first": slow, "the second": missing}, ())
    assert readiness.missing() == ["the first is loading", "the second is loading"]
    readiness.start()
    may_load.set()
    failed = "the second could not be loaded: run 'cimiento models pull'"
    assert eventually(lambda: readiness.missing() == [failed])


def test_conditions_are_asked_every_time() -> None:
    state = {"alive": True}
    readiness = Readiness({}, (Condition("it is dead", lambda: state["alive"]),))
    assert readiness.missing() == []
    state["alive"] = False
    assert readiness.missing() == ["it is dead"]


def test_only_the_first_receiver_removes_what_is_half_received(house: House) -> None:
    blobs = house.services.blobs
    with blobs.begin() as left:
        left.write(b"half of an upl")
        with receiving(house.services):
            assert blobs.list_incoming() == []
            with blobs.begin() as blob:
                blob.write(b"more than half of an upl")
                with receiving(house.services):
                    assert blobs.list_incoming() == [blob.path]


def test_every_receiver_removes_bytes_of_no_document(house: House) -> None:
    house.upload("kept.txt", "The gate closes at nine.")
    [kept] = house.services.blobs.list()
    with receiving(house.services):
        with house.services.blobs.begin() as blob:
            blob.write(b"of a document whose deletion was cut off")
            blob.keep()
        with receiving(house.services):
            assert list(house.services.blobs.list()) == [kept]


@pytest.mark.parametrize(
    ("environment", "num_threads"),
    [
        ({}, 1),
        ({"generation": {"url": "http://127.0.0.1:8421/v1"}}, None),
        ({"retrieval": {"num_threads": 3}}, 3),
    ],
)
def test_questions_are_embedded_beside_a_model_without_more_threads_than_cores(
    environment: dict[str, Any], num_threads: int | None
) -> None:
    assert embedding_threads(Settings(**environment)) == num_threads


def test_a_service_without_a_model_wants_to_know_who_has_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CIMIENTO_GENERATION__URL", raising=False)
    ended = CliRunner().invoke(main, ["serve", "--role", "api"])
    assert ended.exit_code == 2
    assert "CIMIENTO_GENERATION__URL" in ended.stderr
