"""Two prompts beside each other: their words, and the evaluations that differ in little else."""

import json
from typing import Any

import pytest

from app.comparing_prompts import PromptRun, compare_prompts
from app.evaluation.reports import StoredCase, StoredReport
from app.prompts import Prompts, StoredPrompt
from core.access import Access
from tests.databases import work_on
from tests.unit.app.house import POOL, House
from tests.unit.app.test_cli import run
from tests.unit.app.test_prompts import OTHER, create

QUESTIONS = [
    {"question": "When does the swimming pool open?", "answers": ["nine"]},
    {"question": "When does the swimming pool close?", "answers": ["eight"]},
]


@pytest.fixture
def prompts(house: House) -> dict[str, StoredPrompt]:
    create(house)
    create(house, OTHER)
    found: Prompts = house.services.prompts
    return {name: found.get(name, Access.to_everything()) for name in ("mine@1", "mine@2")}


def evaluation(
    prompt: StoredPrompt, name: str, right: float, *, first: int = 0, **manifest: object
) -> PromptRun:
    """A run of thirty questions, from number `first` on."""
    cases = [
        StoredCase(
            question=f"When {number}?",
            answerable=True,
            stage="right",
            measures={"right": right, "score": right},
        )
        for number in range(first, first + 30)
    ]
    manifest = {"prompt_sha256": prompt.template.sha256, "model": "m", **manifest}
    return PromptRun(name, StoredReport(format=1, manifest=manifest, cases=cases))


def test_what_differs_in_the_words_is_told_by_line(prompts: dict[str, StoredPrompt]) -> None:
    found = compare_prompts(prompts["mine@1"], prompts["mine@2"], [])
    changed = [
        line for line in found.changes if line[:1] in "+-" and line[:3] not in ("+++", "---")
    ]
    assert changed == ["-  system: Answer in one word.", "+  system: Answer in two words."]
    assert found.scores is None


def test_the_runs_that_differ_in_least_are_compared_the_newest_of_them(
    prompts: dict[str, StoredPrompt],
) -> None:
    one, two = prompts["mine@1"], prompts["mine@2"]
    runs = [
        evaluation(two, "other model", 0.0, model="other"),
        evaluation(two, "newest", 1.0),
        evaluation(two, "older", 0.0),
        evaluation(one, "before", 0.0),
    ]
    scores = compare_prompts(one, two, runs).scores
    assert scores is not None
    assert (scores.before, scores.after, scores.also_changed) == ("before", "newest", ())
    assert scores.comparison.differences["right"].value == 1.0
    swapped = compare_prompts(two, one, runs).scores
    assert swapped is not None
    assert swapped.comparison.losses == ["right", "score"]


def test_what_else_changed_is_told(prompts: dict[str, StoredPrompt]) -> None:
    one, two = prompts["mine@1"], prompts["mine@2"]
    runs = [evaluation(two, "after", 1.0, model="other", top_k=3), evaluation(one, "before", 1.0)]
    scores = compare_prompts(one, two, runs).scores
    assert scores is not None
    assert scores.also_changed == ("model", "top_k")


def test_runs_without_a_common_question_say_nothing(prompts: dict[str, StoredPrompt]) -> None:
    one, two = prompts["mine@1"], prompts["mine@2"]
    runs = [evaluation(two, "after", 1.0, first=100), evaluation(one, "before", 1.0)]
    assert compare_prompts(one, two, runs).scores is None


def compare(house: House, before: str, after: str) -> dict[str, Any]:
    response = house.client.get("/v1/prompts/compare", params={"before": before, "after": after})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def test_evaluations_over_http_are_found_by_their_prompt(
    house: House, prompts: dict[str, StoredPrompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    house.add("pool.txt", POOL)
    assert compare(house, "mine@1", "mine@2")["scores"] is None
    questions = "\n".join(map(json.dumps, QUESTIONS))
    ids = [
        house.client.post(
            "/v1/evaluations", json={"questions": questions, "prompt": name, "min_confidence": 0}
        ).json()["id"]
        for name in prompts
    ]
    house.evaluate()

    scores = compare(house, "mine@1", "mine@2")["scores"]

    assert [scores["before"], scores["after"]] == ids
    assert scores["differences"]["right"]["n"] == len(QUESTIONS)
    assert scores["also_changed"] == []

    work_on(house.services.settings.data_dir, monkeypatch)
    done = run("prompts", "compare", "mine@1", "mine@2", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["scores"]["after"] == ids[1]
    printed = run("prompts", "compare", "mine@1", "mine@2").stdout
    assert "+  system: Answer in two words." in printed
    assert ids[0] in printed


def test_reports_of_the_command_line_are_compared_too(
    house: House, prompts: dict[str, StoredPrompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = house.services.settings.data_dir
    paths = []
    for (name, prompt), right in zip(prompts.items(), (0.0, 1.0), strict=True):
        paths.append(folder / f"{name}.json")
        report = evaluation(prompt, name, right).report
        paths[-1].write_text(report.model_dump_json())
    work_on(folder, monkeypatch)
    given = [part for path in paths for part in ("--report", str(path))]
    done = run("prompts", "compare", "mine@1", "mine@2", "--json", *given)
    assert done.exit_code == 0, done.output
    scores = json.loads(done.stdout)["scores"]
    assert (scores["before"], scores["after"]) == tuple(map(str, paths))
    assert run("prompts", "compare", "mine", "nothing").exit_code == 1
