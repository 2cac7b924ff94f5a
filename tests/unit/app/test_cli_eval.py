"""`cimiento eval` and `cimiento calibrate`: faults are told before anything is loaded."""

import json
from pathlib import Path

import pytest

from tests.databases import work_on
from tests.unit.app.test_cli import run

CASE = {"question": "When?", "answerable": True, "stage": "right", "measures": {"right": 1.0}}


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data folder of its own, without models."""
    work_on(tmp_path / "data", monkeypatch)
    monkeypatch.setenv("CIMIENTO_MODELS__DIR", str(tmp_path / "models"))


def _report(path: Path, right: float, *, number: int = 30) -> str:
    cases = [
        {**CASE, "question": f"When {index}?", "measures": {"right": right, "score": right}}
        for index in range(number)
    ]
    path.write_text(json.dumps({"format": 1, "manifest": {}, "cases": cases}))
    return str(path)


@pytest.mark.parametrize("command", [["eval", "run"], ["calibrate"]])
def test_a_file_with_errors_ends_with_its_lines_and_1(command: list[str], tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text('{"question": "When?"}\n{"quest": 1}\nnonsense\n')

    done = run(*command, str(file))

    assert done.exit_code == 1
    assert "line 2:" in done.stderr
    assert "line 3:" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["calibrate"], ["calibrate", "file.jsonl", "--reset"], ["eval", "run"], ["eval", "compare"]],
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize("option", [["--from-feedback"], ["--generate", "3"]])
def test_a_file_that_is_there_is_never_written_over(option: list[str], tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text("mine")

    assert run("eval", "run", str(file), *option).exit_code == 2
    assert file.read_text() == "mine"


def test_a_gate_closes_on_a_significant_loss_only(tmp_path: Path) -> None:
    before, after = (_report(tmp_path / f"{right}.json", right) for right in (1.0, 0.0))

    assert run("eval", "compare", before, after).exit_code == 0
    closed = run("eval", "compare", before, after, "--gate")
    assert closed.exit_code == 1
    assert "significant loss: right, score" in closed.stderr
    assert run("eval", "compare", after, before, "--gate").exit_code == 0
    assert run("eval", "compare", before, before, "--gate").exit_code == 0


def test_a_comparison_is_printed_for_machines_too(tmp_path: Path) -> None:
    before, after = (_report(tmp_path / f"{right}.json", right) for right in (0.0, 1.0))

    found = json.loads(run("eval", "compare", before, after, "--json").stdout)

    assert found["differences"]["right"]["value"] == 1.0
    assert found["losses"] == []
    assert len(found["won"]) == 30


def test_what_is_no_report_ends_with_1(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("{}")

    done = run("eval", "compare", str(path), str(path))

    assert done.exit_code == 1
    assert "no report" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["eval", "run", "questions.jsonl", "--out", "taken/report"],
        ["eval", "run", "taken/new.jsonl", "--from-feedback"],
        ["calibrate", "questions.jsonl", "--chart", "taken/curve.svg"],
    ],
)
def test_what_cannot_be_written_is_told_before_anything_is_loaded(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("questions.jsonl").write_text('{"question": "When?", "answers": ["nine"]}\n')
    Path("taken").write_text("a file where the folder belongs")

    done = run(*arguments)

    assert done.exit_code == 1
    assert "cannot be written" in done.stderr


def test_a_gate_that_is_no_report_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text('{"question": "When?", "answers": ["nine"]}\n')

    done = run("eval", "run", str(file), "--gate", str(tmp_path / "none.json"))

    assert (done.exit_code, "none.json cannot be read" in done.stderr) == (1, True)
