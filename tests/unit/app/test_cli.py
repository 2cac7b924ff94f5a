"""The command line: exit codes, messages on standard error, JSON on standard output."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import main
from tests.databases import work_on

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data folder of its own, without models."""
    work_on(tmp_path / "data", monkeypatch)
    monkeypatch.setenv("CIMIENTO_MODELS__DIR", str(tmp_path / "models"))
    monkeypatch.setenv("CIMIENTO_LOG__LEVEL", "error")


def run(*arguments: str) -> Result:
    """Run a command in this process."""
    return RUNNER.invoke(main, arguments)


def test_help_imports_nothing_heavy() -> None:
    source = (
        "import sys; from app.cli import main\n"
        "heavy = {'torch', 'sentence_transformers', 'faiss', 'dbos', 'fastapi', 'transformers'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ["ask", ""],
        ["ask", "  "],
        ["ask", "why", "--samples", "0"],
        ["search", ""],
        ["search", "x", "--top-k", "0"],
        ["search", "x", "--diversity", "2"],
        ["search", "x", "--neighbours", "6"],
        ["add", "no-such-file"],
        ["add"],
        ["nonsense"],
        ["keys", "create", ""],
        ["models", "pull", "no-such-model"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_more_samples_than_may_be_are_refused_before_anything_is_loaded() -> None:
    result = run("ask", "why", "--samples", "1000000")
    assert result.exit_code == 1
    assert "CIMIENTO_GENERATION__MAX_SAMPLES" in result.stderr


@pytest.mark.parametrize("command", [["serve"], ["ask", "why"], ["search", "why"], ["add", "."]])
def test_a_bad_setting_ends_with_2_and_names_its_key(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIMIENTO_SERVER__PORT", "none")
    result = run(*command)
    assert result.exit_code == 2
    assert "CIMIENTO_SERVER__PORT" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("command", [["serve"], ["ask", "why"], ["search", "why"], ["add", "."]])
def test_missing_models_end_with_1_and_name_the_command(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIMIENTO_SERVER__PORT", "58421")
    result = run(*command)
    assert result.exit_code == 1
    assert "cimiento models pull" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_model_that_answers_must_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIMIENTO_MODELS__EMBEDDING", "smollm2-135m-instruct")
    result = run("search", "why")
    assert result.exit_code == 1
    assert "CIMIENTO_MODELS__EMBEDDING" in result.stderr


def test_database_upgrade_can_be_run_again() -> None:
    assert run("db", "upgrade").exit_code == 0
    assert run("db", "upgrade").exit_code == 0


def test_a_database_that_is_behind_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_on(tmp_path / "new", monkeypatch, migrated=False)
    result = run("verify")
    assert result.exit_code == 1
    assert "cimiento db upgrade" in result.stderr


def test_verify_says_what_it_checked_and_fails_when_something_is_wrong(tmp_path: Path) -> None:
    run("db", "upgrade")
    result = run("verify", "--json")
    assert (result.exit_code, json.loads(result.stdout)["ok"]) == (0, True)
    orphan = tmp_path / "data" / "blobs" / "ab" / ("ab" + "0" * 62)
    orphan.parent.mkdir(parents=True)
    orphan.write_text("orphan")
    result = run("verify")
    assert result.exit_code == 1
    assert "orphan_blob" in result.stdout
    assert run("verify", "--repair").exit_code == 0
    assert not orphan.exists()
    assert run("verify").exit_code == 0


def test_keys_are_made_listed_and_revoked() -> None:
    made = json.loads(run("keys", "create", "billing", "--json").stdout)
    assert made["key"].startswith("cim_")
    listed = json.loads(run("keys", "list", "--json").stdout)
    assert [(key["id"], key["name"]) for key in listed] == [(made["id"], "billing")]
    assert made["key"] not in run("keys", "list").stdout
    assert run("keys", "revoke", made["id"]).exit_code == 0
    assert json.loads(run("keys", "list", "--json").stdout) == []
    again = run("keys", "revoke", made["id"])
    assert again.exit_code == 1
    assert made["id"] in again.stderr


def test_a_key_alone_is_on_standard_output() -> None:
    result = run("keys", "create", "billing")
    assert result.stdout.strip().startswith("cim_")
    assert len(result.stdout.split()) == 1


def test_sign_in_prints_a_link() -> None:
    assert "/sign-in?token=" in run("sign-in").stdout
    assert json.loads(run("sign-in", "--json").stdout)["link"].startswith("http://127.0.0.1")


def test_a_port_in_use_is_said_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("CIMIENTO_SERVER__PORT", str(port))
        result = run("serve")
    assert result.exit_code == 1
    assert f"port {port}" in result.stderr
    assert "CIMIENTO_SERVER__PORT" in result.stderr


def test_a_key_can_be_narrowed() -> None:
    limits = ("--max-requests", "60", "--max-tokens", "1000", "--expires-days", "30")
    made = run("keys", "create", "n", "--scope", "read", "--scope", "ask", *limits, "--json")
    key = json.loads(made.stdout)
    assert key["scopes"] == ["read", "ask"]
    assert (key["max_requests_per_minute"], key["max_tokens_per_day"]) == (60, 1000)
    assert key["expires_at"] > key["created_at"]
    wide = run("keys", "create", "n", "--scope", "people", "--collection", "default")
    assert wide.exit_code == 2


def test_people_are_invited_disabled_and_removed() -> None:
    link = run("people", "invite", "ana", "--email", "ana@example.org")
    assert "/sign-in?token=" in link.stdout
    run("people", "invite", "root", "--owner")
    assert run("people", "invite", "ana").exit_code == 1
    assert run("people", "invite", "Not A Name").exit_code == 2
    assert run("people", "disable", "ana").exit_code == 0
    people = {each["name"]: each for each in json.loads(run("people", "list", "--json").stdout)}
    assert (people["ana"]["is_disabled"], people["root"]["is_owner"]) == (True, True)
    assert run("people", "enable", "ana").exit_code == 0
    assert run("people", "remove", "root").exit_code == 1
    assert run("people", "remove", "ana").exit_code == 0
    assert "ana" not in run("people", "list").stdout
    assert "/sign-in?token=" in run("sign-in", "--person", "root").stdout
    assert run("sign-in", "--person", "ana").exit_code == 1


def test_the_audit_log_has_what_was_done_at_the_command_line() -> None:
    key = json.loads(run("keys", "create", "billing", "--json").stdout)
    run("keys", "revoke", key["id"])
    events = json.loads(run("audit", "list", "--json").stdout)
    assert [each["action"] for each in events] == ["key.revoked", "key.created"]
    assert {each["target"] for each in events} == {key["id"]}
    assert key["key"] not in run("audit", "list").stdout
    assert run("audit", "list", "--action", "person.").stdout == ""
