"""Evaluation runs over HTTP: what they ask, what they tell, and whose they are."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.asking import default_options
from app.evaluation.cases import load_cases
from app.evaluation.reports import run_and_write
from app.evaluation.running import Asking
from app.evaluation.stored import Evaluations
from core.access import Access
from core.errors import CimientoError
from tests.unit.app.evaluation_runs import CEILING, OPENS, TOWELS, done, get, lines, start
from tests.unit.app.house import House
from tests.unit.ingestion.test_deletion import files_that_say

MARKER = "zebrawood"


def test_a_run_asks_its_questions_and_tells_what_they_came_to(pool: House) -> None:
    run = done(pool, OPENS, TOWELS, CEILING, name="first", collections=["default"])

    assert (run["state"], run["done"], run["total"], run["error"]) == ("done", 3, 3, None)
    assert (run["name"], run["source"], run["collections"]) == ("first", "uploaded", ["default"])
    assert run["prompt"] == "direct@1"
    assert run["figures"]["right"]["value"] == 1.0
    assert run["funnel"]["right"] == 2
    assert run["created_at"] <= run["started_at"] <= run["finished_at"]


def test_a_report_is_data_or_a_page(pool: House) -> None:
    run = done(pool, OPENS, CEILING)

    report = get(pool, run, part="/report")
    assert [case["question"] for case in report["cases"]] == [
        OPENS["question"],
        CEILING["question"],
    ]
    assert report["cases"][0]["citations"][0]["document"] == "pool.txt"
    assert report["manifest"]["prompt"] == "direct@1"
    assert report["manifest"]["model"] == "fake-generator"
    assert len(report["manifest"]["cases_sha256"]) == 64
    path = f"/v1/evaluations/{run['id']}/report"
    for page in (
        pool.client.get(path, params={"format": "html"}),
        pool.client.get(path, headers={"Accept": "text/html"}),
    ):
        assert page.headers["content-type"].startswith("text/html")
        assert "sandbox" in page.headers["content-security-policy"]
        assert "<svg" in page.text


def test_figures_are_those_of_the_command_line(pool: House, tmp_path: Path) -> None:
    source = tmp_path / "questions.jsonl"
    source.write_text(lines(OPENS, TOWELS, CEILING))
    options = replace(default_options(pool.services.settings.generation), min_confidence=0.0)
    asking = Asking(Access.to_everything(), pool.services.settings.retrieval.top_k, options)
    shell = run_and_write(
        pool.services, load_cases(source), asking, source=source, folder=tmp_path / "report"
    )

    report = get(pool, done(pool, OPENS, TOWELS, CEILING), part="/report")

    assert report["figures"] == json.loads(json.dumps(shell.report["figures"]))
    assert report["funnel"] == shell.report["funnel"]


def test_lines_at_fault_are_named_and_nothing_is_queued(house: House) -> None:
    questions = lines(OPENS) + '{"quest": 1}\nnonsense\n{"question": "\\ud800"}\n'
    response = house.client.post("/v1/evaluations", json={"questions": questions})

    assert (response.status_code, response.json()["code"]) == (422, "bad_evaluation_file")
    for number in (2, 3, 4):
        assert f"line {number}:" in response.json()["detail"]
    assert house.client.get("/v1/evaluations").json()["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"questions": "", "generate": 3},
        {"generate": 0},
        {"generate": 3, "from_feedback": True},
        {"questions": 7},
        {"generate": 3, "prompt": "No Prompt"},
        {"generate": 3, "colour": "red"},
        {"questions": lines(*({"question": f"When {n}?"} for n in range(1001)))},
    ],
)
def test_what_cannot_be_run_is_refused(house: House, body: dict[str, Any]) -> None:
    response = house.client.post("/v1/evaluations", json=body)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"questions": ""}, "bad_evaluation_file"),
        ({"from_feedback": True}, "no_questions"),
    ],
)
def test_what_holds_nothing_to_ask_is_refused(
    house: House, body: dict[str, Any], code: str
) -> None:
    response = house.client.post("/v1/evaluations", json=body)
    assert (response.status_code, response.json()["code"]) == (422, code)


def test_an_unknown_prompt_starts_no_run(house: House) -> None:
    response = house.client.post("/v1/evaluations", json={"generate": 1, "prompt": "nobodys"})
    assert (response.status_code, response.json()["code"]) == (404, "prompt_not_found")


def test_generated_questions_are_written_asked_and_handed_out_for_a_review(pool: House) -> None:
    pool.generator.reply = "When in the morning does the swimming pool open?"

    run = done(pool, generate=3)

    assert (run["source"], run["state"], run["done"]) == ("generated", "done", 1)
    assert run["funnel"]["right"] == 1
    text = pool.client.get(f"/v1/evaluations/{run['id']}/questions").text
    row = json.loads(text)
    assert (row["question"], row["review"]) == (pool.generator.reply, "pending")
    whole = pool.client.get(f"/v1/documents/{row['gold_span']['document_id']}/text").json()["text"]
    assert whole[row["gold_span"]["start"] : row["gold_span"]["end"]] == row["gold_quote"]
    # reviewed or not, it can be uploaded as it is
    assert done(pool, row)["funnel"]["right"] == 1


def test_a_run_for_which_nothing_can_be_written_fails_and_says_why(pool: House) -> None:
    pool.generator.reply = "No question."
    run = done(pool, generate=2)
    assert (run["state"], run["error"]["code"]) == ("failed", "no_questions")


def test_what_a_caller_judged_can_be_run_and_nobody_elses(pool: House) -> None:
    body = {"question": OPENS["question"], "min_confidence": 0}
    for _ in range(2):  # of a question that was asked twice, the last opinion
        asked = pool.client.post("/v1/answer", json=body).json()
        pool.client.post(f"/v1/answers/{asked['id']}/feedback", json={"rating": "up"})

    run = done(pool, from_feedback=True)

    assert (run["source"], run["total"], run["funnel"]["right"]) == ("feedback", 1, 1)
    _, other = pool.services.credentials.create_key("other")
    client = pool.new_client({"Authorization": f"Bearer {other}"})
    refused = client.post("/v1/evaluations", json={"from_feedback": True})
    assert refused.json()["code"] == "no_questions"


def test_two_runs_are_compared_question_by_question(pool: House) -> None:
    before = done(pool, OPENS, TOWELS)
    after = done(pool, TOWELS, OPENS, CEILING, min_confidence=1)

    found = get(pool, after, part="/comparison", before=before["id"])

    assert (found["before"], found["after"]) == (before["id"], after["id"])
    assert found["differences"]["right"]["value"] == -1.0
    assert found["differences"]["right"]["n"] == 2
    assert set(found["lost"]) == {OPENS["question"], TOWELS["question"]}
    assert found["num_left_out"] == 1


def test_runs_without_a_common_question_cannot_be_compared(pool: House) -> None:
    one, other = done(pool, OPENS), done(pool, TOWELS)
    path = f"/v1/evaluations/{one['id']}/comparison"
    response = pool.client.get(path, params={"before": other["id"]})
    assert (response.status_code, response.json()["code"]) == (422, "bad_evaluation_report")


def test_a_run_that_waits_has_no_report_and_can_be_cancelled_once(pool: House) -> None:
    run = start(pool, OPENS)
    path = f"/v1/evaluations/{run['id']}"
    assert pool.client.get(f"{path}/report").json()["code"] == "evaluation_running"

    assert pool.client.post(f"{path}/cancel").json()["state"] == "cancelled"

    assert pool.client.post(f"{path}/cancel").json()["code"] == "evaluation_finished"
    pool.evaluate()
    assert get(pool, run)["state"] == "cancelled"
    assert pool.client.get(f"{path}/report").json()["code"] == "no_questions"


def test_a_deleted_run_is_gone_with_its_questions(pool: House) -> None:
    run = done(pool, {"question": f"When does the {MARKER} pool open?"}, name=MARKER)
    assert pool.client.delete(f"/v1/evaluations/{run['id']}").status_code == 204
    assert pool.client.get(f"/v1/evaluations/{run['id']}").status_code == 404
    assert files_that_say(pool.services.settings.data_dir, MARKER) == []


def test_runs_are_listed_newest_first_and_by_state(pool: House) -> None:
    one, other = done(pool, OPENS), start(pool, OPENS)

    listed = pool.client.get("/v1/evaluations").json()["items"]
    queued = pool.client.get("/v1/evaluations", params={"state": "queued"}).json()["items"]
    after = pool.client.get("/v1/evaluations", params={"cursor": other["id"]}).json()["items"]

    assert [run["id"] for run in listed] == [other["id"], one["id"]]
    assert [run["id"] for run in queued] == [other["id"]]
    assert after == [listed[1]]


def test_a_run_is_not_theirs_who_may_no_longer_see_what_it_quotes(pool: House) -> None:
    pool.client.post("/v1/collections", json={"name": "other"})
    _, key = pool.services.credentials.create_key("one", collections=["default", "other"])
    client = pool.new_client({"Authorization": f"Bearer {key}"})
    body = {"questions": lines(OPENS), "min_confidence": 0}
    run = client.post("/v1/evaluations", json=body).json()
    pool.evaluate()
    known = pool.services.credentials.find_key(key)
    assert known is not None
    caller = known.caller
    other = pool.services.collections.get("other", caller.access)
    blind = replace(caller, access=Access(frozenset({other.id})))

    runs = Evaluations(pool.services.database)
    assert [each.id for each in runs.list(caller)] == [run["id"]]
    assert runs.list(blind) == []
    with pytest.raises(CimientoError, match="there is no evaluation"):
        runs.get(run["id"], blind)


def test_a_run_asks_as_its_collection_is_set(pool: House) -> None:
    pool.client.patch("/v1/collections/default", json={"settings": {"samples": 2}})
    run = done(pool, OPENS, collections=["default"])
    assert get(pool, run, part="/report")["manifest"]["sampling"]["n"] == 2
