"""Conversations: whose they are, how they go on and branch, and what a deletion leaves of them."""

import json
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from core.access import Access, Caller
from core.answer_tables import AnswerRow
from core.ids import AnswerId, CollectionId, ConversationId
from core.verify import check_answers
from tests.unit.app.house import House
from tests.unit.app.sse import read_events
from tests.unit.ingestion.test_deletion import files_that_say

LEAVE = (
    "Employees in France have 25 days of leave every year.\n\n"
    "Employees in Spain have 22 days of leave every year.\n\n"
    "The office in Spain closes in August."
)
LED = "The museum is led by Zebrina Quillon since last year."
BORN = "Zebrina Quillon was born in the year 1970 beside the river."
IN_FRANCE = "How many days of leave have employees in France?"


def begin(house: House, **body: object) -> str:
    response = house.client.post("/v1/conversations", json=body)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


def ask(house: House, conversation_id: str, question: str, **body: object) -> dict[str, Any]:
    """Ask in a conversation, whatever the confidence."""
    body = {"min_confidence": 0.0, "conversation_id": conversation_id, **body}
    response = house.client.post("/v1/answer", json={"question": question, **body})
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    return reply


def show(house: House, conversation_id: str, **params: str) -> dict[str, Any]:
    response = house.client.get(f"/v1/conversations/{conversation_id}", params=params)
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    return reply


def test_a_follow_up_is_answered_as_it_was_meant_and_kept_as_it_was_asked(house: House) -> None:
    house.add("leave.txt", LEAVE)
    conversation_id = begin(house)
    first = ask(house, conversation_id, IN_FRANCE)
    second = ask(house, conversation_id, "And in Spain?")
    assert "25" in first["answer"]
    assert "22" in second["answer"]
    assert first["standalone"] is None
    assert second["standalone"] == "How many days of leave have employees in Spain?"
    assert second["receipt"]["history"] == [first["id"]]
    turns = show(house, conversation_id)["turns"]
    assert [turn["question"] for turn in turns] == [IN_FRANCE, "And in Spain?"]
    assert [turn["standalone"] for turn in turns] == [None, second["standalone"]]
    assert [turn["answer"] for turn in turns] == [first["answer"], second["answer"]]


def test_the_stream_says_how_a_follow_up_was_understood(house: House) -> None:
    house.add("leave.txt", LEAVE)
    conversation_id = begin(house)
    ask(house, conversation_id, IN_FRANCE)
    body = {"question": "And in Spain?", "conversation_id": conversation_id, "stream": True}
    events = read_events(house.client.post("/v1/answer", json=body).text)
    assert events[0].data["standalone"] == "How many days of leave have employees in Spain?"


def test_the_first_question_becomes_the_title_and_a_person_may_change_it(house: House) -> None:
    conversation_id = begin(house)
    assert show(house, conversation_id)["title"] is None
    ask(house, conversation_id, "How  many\ndays " + "of leave " * 20 + "are there?")
    title = show(house, conversation_id)["title"]
    assert title.startswith("How many days of leave")
    assert title.endswith("…")
    assert len(title) <= 80
    path = f"/v1/conversations/{conversation_id}"
    assert house.client.patch(path, json={"title": " Leave "}).json()["title"] == "Leave"
    ask(house, conversation_id, "And in Spain?")
    assert show(house, conversation_id)["title"] == "Leave"
    for bad in ("", "  ", "x" * 121):
        assert house.client.patch(path, json={"title": bad}).status_code == 422


def test_asking_in_place_of_an_answer_makes_a_branch_and_loses_nothing(house: House) -> None:
    house.add("leave.txt", LEAVE)
    conversation_id = begin(house)
    first = ask(house, conversation_id, IN_FRANCE)["id"]
    second = ask(house, conversation_id, "And in Spain?")["id"]
    edited = ask(house, conversation_id, "When does the office close?", in_place_of=second)["id"]
    third = ask(house, conversation_id, "Why?")["id"]
    turns = show(house, conversation_id)["turns"]
    assert [turn["id"] for turn in turns] == [first, edited, third]
    assert turns[1]["alternatives"] == [second, edited]
    older = show(house, conversation_id, answer=second)["turns"]
    assert [turn["id"] for turn in older] == [first, second]
    again = ask(house, conversation_id, IN_FRANCE, in_place_of=first)
    assert again["receipt"]["history"] == []
    assert [turn["id"] for turn in show(house, conversation_id)["turns"]] == [again["id"]]


def test_what_went_on_from_a_deleted_answer_goes_on_from_the_one_before(house: House) -> None:
    conversation_id = begin(house)
    ids = [ask(house, conversation_id, f"What is number {n}?")["id"] for n in range(3)]
    assert house.client.delete(f"/v1/answers/{ids[1]}").status_code == 204
    turns = show(house, conversation_id)["turns"]
    assert [turn["id"] for turn in turns] == [ids[0], ids[2]]


def test_a_deleted_answer_takes_the_title_of_its_question_with_it(house: House) -> None:
    conversation_id = begin(house)
    first = ask(house, conversation_id, "Where is the zebrawood kept?")["id"]
    assert show(house, conversation_id)["title"] == "Where is the zebrawood kept?"
    house.client.delete(f"/v1/answers/{first}")
    assert files_that_say(house.services.settings.data_dir, "zebrawood") == []
    ask(house, conversation_id, "x" * 200)
    title = show(house, conversation_id)["title"]
    assert (title, len(title)) == ("x" * 79 + "…", 80)


def test_conversations_are_listed_newest_first_page_by_page(house: House) -> None:
    ids = [begin(house, title=f"number {n}") for n in range(3)]
    listed = house.client.get("/v1/conversations").json()
    assert [each["id"] for each in listed["items"]] == ids[::-1]
    assert listed["next_cursor"] is None
    after = house.client.get("/v1/conversations", params={"cursor": ids[1]}).json()["items"]
    assert [each["title"] for each in after] == ["number 0"]


def test_a_deleted_conversation_is_gone_with_its_answers(house: House) -> None:
    conversation_id = begin(house)
    answer_id = ask(house, conversation_id, "Where is the zebrawood kept?")["id"]
    assert house.client.delete(f"/v1/conversations/{conversation_id}").status_code == 204
    assert house.client.get(f"/v1/answers/{answer_id}").status_code == 404
    assert house.client.get(f"/v1/conversations/{conversation_id}").status_code == 404
    assert files_that_say(house.services.settings.data_dir, "zebrawood") == []
    response = house.client.post(
        "/v1/answer", json={"question": "Why?", "conversation_id": conversation_id}
    )
    assert (response.status_code, response.json()["code"]) == (404, "conversation_not_found")


def all_refused(responses: list[httpx2.Response]) -> bool:
    return all(
        (each.status_code, each.json()["code"]) == (404, "conversation_not_found")
        for each in responses
    )


def test_a_conversation_is_the_askers_alone(house: House) -> None:
    conversation_id = begin(house)
    browser = house.sign_in()
    browser.headers["Sec-Fetch-Site"] = "same-origin"
    path = f"/v1/conversations/{conversation_id}"
    question = {"question": "Why?", "conversation_id": conversation_id}
    responses = [
        browser.get(path),
        browser.patch(path, json={"title": "mine"}),
        browser.delete(path),
        browser.post("/v1/answer", json=question),
    ]
    assert all_refused(responses)
    assert browser.get("/v1/conversations").json()["items"] == []
    assert show(house, conversation_id)["title"] is None


@pytest.mark.parametrize("body", [{"in_place_of": "ans_x"}, {"conversation_id": ""}])
def test_a_place_that_cannot_be_is_refused(house: House, body: dict[str, str]) -> None:
    response = house.client.post("/v1/answer", json={"question": "Why?", **body})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


def test_an_answer_of_another_conversation_is_no_place(house: House) -> None:
    elsewhere = ask(house, begin(house), "What is number 1?")["id"]
    conversation_id = begin(house)
    body = {"question": "Why?", "conversation_id": conversation_id, "in_place_of": elsewhere}
    response = house.client.post("/v1/answer", json=body)
    assert (response.status_code, response.json()["code"]) == (404, "answer_not_found")
    path = f"/v1/conversations/{conversation_id}"
    assert house.client.get(path, params={"answer": elsewhere}).status_code == 404


def test_a_conversation_whose_document_was_deleted_stays_readable_without_its_words(
    house: House,
) -> None:
    document_id = house.add("led.txt", LED)
    house.add("born.txt", BORN)
    conversation_id = begin(house)
    ask(house, conversation_id, "Who leads the museum since last year?", top_k=1)
    second = ask(house, conversation_id, "When was she born?", top_k=1)
    assert second["standalone"] == "When was Zebrina Quillon born?"
    assert second["borrowed"] == [{"document_id": document_id, "version": 1}]
    third = ask(house, conversation_id, "Where was she born?", top_k=1)
    assert third["borrowed"] == second["borrowed"]
    house.client.delete(f"/v1/documents/{document_id}")
    turns = show(house, conversation_id)["turns"]
    assert turns[0]["answer"] == ""
    assert turns[1]["standalone"] is None
    assert turns[2]["standalone"] is None
    # what the other document says is still there, and nothing of the deleted one
    assert turns[1]["answer"] == BORN
    with house.services.database.read_scope() as session:
        kept = session.scalars(select(AnswerRow.response)).all()
    assert "led by" not in json.dumps(kept)
    assert check_answers(house.services.database, repair=False).findings == ()
    replayed = house.client.post(f"/v1/answers/{second['id']}/replay").json()
    assert "document_deleted" in {cause["kind"] for cause in replayed["causes"]}
    assert ask(house, conversation_id, "Why?")["status"]


def test_a_follow_up_is_replayed_as_it_was_understood(house: House) -> None:
    house.add("leave.txt", LEAVE)
    conversation_id = begin(house)
    ask(house, conversation_id, IN_FRANCE)
    second = ask(house, conversation_id, "And in Spain?")
    replayed = house.client.post(f"/v1/answers/{second['id']}/replay").json()
    assert (replayed["same"], replayed["causes"]) == (True, [])


def test_an_answer_that_may_no_longer_be_seen_is_hidden_and_not_used(house: House) -> None:
    house.add("led.txt", LED)
    conversation_id = begin(house)
    answer_id = ask(house, conversation_id, "Who leads the museum since last year?")["id"]
    known = house.services.credentials.find_key(house.key)
    assert known is not None
    seeing = known.caller
    blind = Caller(seeing.name, Access(frozenset({CollectionId("col_other")})))
    conversations = house.services.conversations
    (turn,) = conversations.turns(ConversationId(conversation_id), blind)
    assert (turn.answer.id, turn.is_hidden) == (AnswerId(answer_id), True)


def test_a_history_that_does_not_fit_is_left_out_by_whole_turns_and_said(house: House) -> None:
    conversation_id = begin(house)
    long = "What is the number " + "very " * 300 + "large?"
    for _ in range(4):
        ask(house, conversation_id, long)
    receipt = ask(house, conversation_id, "Why?")["receipt"]
    assert len(receipt["history"]) == 3
    assert receipt["history_left_out"] == 1
