"""Feedback: who may give it, what it becomes for evaluation and training, and when it goes."""

import json
from typing import Any

import pytest

from app.cli import main
from app.feedback import ExportFormat
from tests.databases import work_on
from tests.unit.app.house import POOL, House
from tests.unit.app.test_cli import RUNNER
from tests.unit.ingestion.test_deletion import files_that_say

QUESTION = "When does the swimming pool open in the morning?"
OPENS = "The swimming pool opens at nine in the morning."


def ask(house: House, **body: object) -> dict[str, Any]:
    body = {"question": QUESTION, "min_confidence": 0.0, **body}
    reply: dict[str, Any] = house.client.post("/v1/answer", json=body).json()
    return reply


def judge(house: House, answer_id: str, **body: object) -> dict[str, Any]:
    response = house.client.post(f"/v1/answers/{answer_id}/feedback", json=body)
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    return reply


def export(house: House, form: ExportFormat) -> list[dict[str, Any]]:
    return list(house.services.feedback.export(form))


def test_the_latest_word_counts_and_is_shown_with_the_answer(house: House) -> None:
    house.add("pool.txt", POOL)
    answer_id = ask(house)["id"]
    assert house.client.get(f"/v1/answers/{answer_id}").json()["feedback"] is None
    judge(house, answer_id, rating="up")
    said = judge(house, answer_id, rating="down", correction="At ten.", wrong_citation=1)
    assert house.client.get(f"/v1/answers/{answer_id}").json()["feedback"] == said
    assert (said["rating"], said["correction"], said["comment"]) == ("down", "At ten.", None)
    assert len(export(house, "full")) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "rating"),
        ({"rating": "fine"}, "rating"),
        ({"rating": "up", "wrong_citation": 7}, "wrong_citation"),
        ({"rating": "up", "wrong_citation": "1"}, "wrong_citation"),
        ({"rating": "up", "correction": " \n"}, "correction"),
        ({"rating": "up", "comment": "x" * 4001}, "comment"),
        ({"rating": "up", "novel": 1}, "novel"),
    ],
)
def test_feedback_that_makes_no_sense_is_refused(
    house: House, body: dict[str, object], field: str
) -> None:
    house.add("pool.txt", POOL)
    response = house.client.post(f"/v1/answers/{ask(house)['id']}/feedback", json=body)
    assert response.status_code == 422
    assert [fault["field"] for fault in response.json()["errors"]] == [field]
    assert export(house, "full") == []


def test_a_good_answer_becomes_a_question_with_its_gold(house: House) -> None:
    document_id = house.add("pool.txt", POOL)
    answer = ask(house)
    judge(house, answer["id"], rating="up")
    gold = {"question": QUESTION, "lang": "en", "answerable": True}
    quote = answer["citations"][0]["quote"]
    assert quote == OPENS
    assert export(house, "evaluation") == [
        {**gold, "gold_doc_ids": [document_id], "gold_quote": quote}
    ]
    (line,) = export(house, "training")
    assert line == {
        **gold,
        "id": answer["id"],
        "context": answer["passages"][0]["text"],
        "answers": [quote],
        "source": "feedback",
    }


def test_a_corrected_answer_becomes_a_question_with_the_correction(house: House) -> None:
    house.add("pool.txt", POOL)
    judge(house, ask(house)["id"], rating="down", correction="at ten\tin the morning")
    (line,) = export(house, "evaluation")
    assert line["answers"] == ["at ten\tin the morning"]
    assert "gold_quote" not in line
    assert export(house, "training")[0]["answers"] == line["answers"]


def test_a_good_refusal_becomes_a_question_without_an_answer(house: House) -> None:
    house.add("pool.txt", POOL)
    judge(house, ask(house, min_confidence=1.0)["id"], rating="up")
    assert [line["answerable"] for line in export(house, "evaluation")] == [False]
    (line,) = export(house, "training")
    assert (line["answers"], line["answerable"]) == ([], False)


@pytest.mark.parametrize("said", [{"rating": "down"}, {"rating": "up", "wrong_citation": 1}])
def test_what_says_nothing_of_what_is_right_is_not_taken_for_gold(
    house: House, said: dict[str, object]
) -> None:
    house.add("pool.txt", POOL)
    judge(house, ask(house)["id"], **said)
    assert export(house, "evaluation") == export(house, "training") == []
    assert len(export(house, "full")) == 1


def test_what_a_deleted_document_said_is_in_no_export(house: House) -> None:
    document_id = house.add("pool.txt", "The zebrawood pool opens at nine in the morning.")
    answer_id = ask(house)["id"]
    judge(house, answer_id, rating="up", correction="zebrawood", comment="zebrawood")
    house.client.delete(f"/v1/documents/{document_id}")
    assert export(house, "evaluation") == export(house, "training") == []
    (line,) = export(house, "full")
    assert (line["rating"], line["correction"], line["comment"]) == ("up", None, None)
    assert "zebrawood" not in json.dumps(line)
    assert files_that_say(house.services.settings.data_dir, "zebrawood") == []


def test_feedback_goes_with_its_answer(house: House) -> None:
    answer_id = ask(house)["id"]
    judge(house, answer_id, rating="up")
    house.client.delete(f"/v1/answers/{answer_id}")
    assert export(house, "full") == []


def test_the_command_prints_one_object_a_line(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.add("pool.txt", POOL)
    for _ in range(2):
        judge(house, ask(house)["id"], rating="up")
    work_on(house.services.settings.data_dir, monkeypatch)
    done = RUNNER.invoke(main, ["feedback", "export"])
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["gold_quote"] for line in lines] == [OPENS, OPENS]
    assert RUNNER.invoke(main, ["feedback", "export", "--as", "poem"]).exit_code == 2


def test_a_correction_is_better_than_what_it_corrects(house: House) -> None:
    house.add("pool.txt", POOL)
    answer = ask(house)
    judge(house, answer["id"], rating="down", correction="at ten")
    refused = ask(house, min_confidence=1.0)
    judge(house, refused["id"], rating="down", correction="at nine")
    first, second = export(house, "pairs")
    assert (first["question"], first["source"]) == (QUESTION, "feedback")
    assert (first["chosen"], first["rejected"]) == ("at ten", answer["answer"])
    assert (second["chosen"], second["rejected"]) == ("at nine", None)
    assert first["passages"][0] == {"name": "pool.txt", "text": answer["passages"][0]["text"]}


def test_of_answers_to_one_question_a_good_one_is_better_than_a_bad_one(house: House) -> None:
    house.add("pool.txt", POOL)
    good, bad, same = ask(house), ask(house, min_confidence=1.0), ask(house)
    judge(house, good["id"], rating="up")
    judge(house, bad["id"], rating="down")
    judge(house, same["id"], rating="down")
    (line,) = export(house, "pairs")
    assert (line["chosen"], line["rejected"]) == (good["answer"], None)
    assert line["question"] == QUESTION


def test_pairs_hold_nothing_of_what_was_deleted(house: House) -> None:
    document_id = house.add("pool.txt", "The zebrawood pool opens at nine in the morning.")
    judge(house, ask(house)["id"], rating="down", correction="at ten")
    house.client.delete(f"/v1/documents/{document_id}")
    assert export(house, "pairs") == []
