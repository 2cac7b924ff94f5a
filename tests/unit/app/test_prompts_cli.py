"""`cimiento prompts` and `cimiento examples`, beside a service over the same data."""

import json
from pathlib import Path

import pytest

from app.cli import main
from core.access import Caller
from tests.databases import work_on
from tests.unit.app.house import POOL, House
from tests.unit.app.test_cli import RUNNER, run
from tests.unit.app.test_examples import OPENS, ask, judge
from tests.unit.app.test_prompts import OTHER, SOURCE


@pytest.fixture
def file(house: House, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A template in a file; commands work on the data of the service."""
    data_dir = house.services.settings.data_dir
    work_on(data_dir, monkeypatch)
    monkeypatch.setenv("CIMIENTO_LOG__LEVEL", "error")
    path = data_dir.parent / "mine.yaml"
    path.write_text(SOURCE)
    return path


def said(*arguments: str) -> str:
    """What a command prints that ends well."""
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_template_is_made_listed_and_shown(file: Path) -> None:
    assert said("prompts", "create", str(file)) == "mine@1\n"
    assert "says the same already" in said("prompts", "create", str(file))
    file.write_text(OTHER)
    assert json.loads(said("prompts", "create", str(file), "--json"))["reference"] == "mine@2"
    assert said("prompts", "show", "mine@1") == SOURCE
    listed = said("prompts", "list").splitlines()
    assert [line.split()[0] for line in listed][-2:] == ["mine@1", "mine@2"]
    assert len(json.loads(said("prompts", "list", "--json"))) == len(listed)


def test_a_template_comes_from_standard_input_too(file: Path) -> None:
    done = RUNNER.invoke(main, ["prompts", "create", "-"], input=SOURCE)
    assert (done.exit_code, done.stdout) == (0, "mine@1\n")


def test_a_fault_is_told_with_its_line_and_ends_with_1(file: Path) -> None:
    file.write_text(SOURCE.replace("{question}", "{quesiton}"))
    for command in (["create", str(file)], ["preview", str(file), "Why?"]):
        done = run("prompts", *command)
        assert done.exit_code == 1
        assert "line 6: en.user: {quesiton} is no variable" in done.stderr


@pytest.mark.parametrize("data", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_ends_with_2(file: Path, data: bytes | None) -> None:
    other = file.with_name("other.yaml")
    if data is not None:
        other.write_bytes(data)
    assert run("prompts", "create", str(other)).exit_code == 2


def test_a_prompt_is_activated_and_rolled_back(file: Path, house: House) -> None:
    said("prompts", "create", str(file))
    assert said("prompts", "activate", "mine") == "mine@1 answers from default\n"
    house.add("pool.txt", POOL)
    assert ask(house, OPENS)["receipt"]["prompt"] == "mine@1"
    assert said("prompts", "rollback") == "direct answers from default\n"
    assert run("prompts", "rollback").exit_code == 1
    lines = said("prompts", "history").splitlines()
    assert [line.split()[2:] for line in lines] == [["direct", "rolled", "back"], ["mine@1"]]
    assert json.loads(said("prompts", "history", "--json"))["is_default"]
    assert "none was activated" not in said("prompts", "history")


def test_what_is_done_to_prompts_is_in_the_audit_log(file: Path, house: House) -> None:
    for _ in range(2):
        said("prompts", "create", str(file))
    said("prompts", "activate", "mine")
    assert run("prompts", "activate", "nowhere").exit_code == 1
    said("prompts", "rollback")
    house.client.put("/v1/collections/default/prompt", json={"prompt": "mine"})
    house.client.post("/v1/collections/default/prompt/rollback")
    deeds = [each.deed for each in reversed(house.services.doors.audit.list())]
    assert [(each.action, each.collection, each.target) for each in deeds] == [
        ("prompt.created", None, "mine@1"),
        ("prompt.activated", "default", "mine@1"),
        ("prompt.rolled_back", "default", None),
        # over HTTP the same
        ("prompt.activated", "default", "mine@1"),
        ("prompt.rolled_back", "default", None),
    ]
    assert deeds[0].actor == Caller.owner().name


def test_what_is_not_there_ends_with_1(file: Path) -> None:
    assert run("prompts", "show", "mine").exit_code == 1
    assert run("prompts", "activate", "mine").exit_code == 1
    assert run("prompts", "activate", "direct", "-c", "nowhere").exit_code == 1


def test_examples_are_approved_and_rejected(file: Path, house: House) -> None:
    house.add("pool.txt", POOL)
    answer_id = judge(house, ask(house, OPENS))
    assert OPENS in said("examples", "list")
    assert said("examples", "approve", answer_id) == f"approved: {answer_id}\n"
    (shown,) = json.loads(said("examples", "list", "--state", "approved", "--json"))
    assert shown["question"] == OPENS
    said("examples", "reject", answer_id)
    assert said("examples", "list", "--state", "rejected") == f"{answer_id}\n"
    assert run("examples", "approve", "ans_nowhere").exit_code == 1
    assert run("examples", "list", "--state", "poem").exit_code == 2
