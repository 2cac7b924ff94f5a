"""`cimiento jobs`: what failed is listed, retried and cancelled without a service."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli import main
from ingestion.attempts import Attempt, JobError
from tests.databases import work_on
from tests.unit.app.house import House

Run = Callable[..., Result]


@pytest.fixture
def run(house: House, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line over the house's data folder."""
    data_dir: Path = house.services.settings.data_dir
    work_on(data_dir, monkeypatch)
    return lambda *arguments: CliRunner().invoke(main, ["jobs", *arguments])


def read(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def fail(house: House, job_id: Any, *, retryable: bool) -> None:
    reason = JobError("storage_full", "there is no room left", retryable=retryable)
    house.services.attempts.fail(Attempt(job_id, 1), reason)


def test_dead_letters_are_listed_shown_and_retried(house: House, run: Run) -> None:
    hopeful, hopeless, queued = (
        house.upload(f"{name}.txt", f"words of {name}").json()["job_id"] for name in "abc"
    )
    fail(house, hopeful, retryable=True)
    fail(house, hopeless, retryable=False)
    listed = read(run("list", "--state", "failed", "--json"))
    assert {job["id"] for job in listed} == {hopeful, hopeless}
    assert read(run("list", "--collection", "nothing", "--json")) == []
    assert "storage_full" in run("show", hopeful).stdout
    again = read(run("retry", "--failed", "--json"))
    assert [(job["id"], job["state"], job["attempt"]) for job in again] == [(hopeful, "queued", 2)]
    attempts = [Attempt(hopeful, 2)]
    assert house.services.queue.statuses(attempts) == {attempts[0]: "ENQUEUED"}
    cancelled = read(run("cancel", queued, "--json"))
    assert [(job["id"], job["state"]) for job in cancelled] == [(queued, "cancelled")]
    lines = run("list").stdout.splitlines()
    assert len(lines) == 3


def test_what_is_not_there_is_an_error_and_what_is_unclear_wrong_usage(run: Run) -> None:
    missing = run("show", "ver_none")
    assert (missing.exit_code, "ver_none" in missing.stderr) == (1, True)
    assert run("retry").exit_code == 2
    assert run("retry", "ver_none", "--failed").exit_code == 2
