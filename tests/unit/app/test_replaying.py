"""A replay says same, or what changed and why."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.api.answer_schemas import encode_answer
from app.replaying import Replay, replay
from core.access import Caller
from core.ids import AnswerId
from tests.fakes_generation import FakeGenerator
from tests.unit.app.house import POOL, House

QUESTION = "When does the swimming pool open in the morning?"


def ask(house: House, **body: object) -> str:
    """Ask at once, whatever the confidence; the answer's id."""
    body = {"question": QUESTION, "min_confidence": 0.0, **body}
    response = house.client.post("/v1/answer", json=body)
    assert response.status_code == 200, response.text
    return str(response.json()["id"])


def again(house: House, answer_id: str) -> dict[str, Any]:
    """Replay over HTTP."""
    response = house.client.post(f"/v1/answers/{answer_id}/replay")
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    return reply


def kinds(reply: dict[str, Any]) -> set[str]:
    return {cause["kind"] for cause in reply["causes"]}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"collections": ["default"], "top_k": 1},
        {"filter": {"field": "name", "op": "eq", "value": "pool.txt"}},
        {"min_confidence": 1.0},
        {"sampling": {"temperature": 0.7, "seed": 5, "max_tokens": 9}, "prompt": "direct@1"},
    ],
)
def test_a_replay_of_the_same_is_the_same(house: House, body: dict[str, object]) -> None:
    house.add("pool.txt", POOL)
    answer_id = ask(house, **body)
    stored = house.client.get(f"/v1/answers/{answer_id}").json()
    reply = again(house, answer_id)
    assert (reply["same"], reply["differences"], reply["causes"]) == (True, [], [])
    assert (reply["id"], reply["answer"]["answer"]) == (answer_id, stored["answer"])
    for each in ("sampling", "filter", "top_k", "min_confidence", "prompt_sha256", "passages"):
        assert reply["answer"]["receipt"][each] == stored["receipt"][each]
    assert house.client.get(f"/v1/answers/{reply['answer']['id']}").status_code == 404


def test_what_changed_in_the_index_but_not_in_the_answer_is_told_and_still_same(
    house: House,
) -> None:
    house.add("pool.txt", POOL)
    answer_id = ask(house, top_k=1)
    house.add("bread.txt", "The bakery sells rye bread.")
    reply = again(house, answer_id)
    assert (reply["same"], kinds(reply)) == (True, {"index"})


def test_a_better_document_is_a_cause(house: House) -> None:
    house.add("pool.txt", POOL)
    answer_id = ask(house, top_k=1)
    house.add("new.txt", QUESTION.replace("?", ", it opens at six."))
    reply = again(house, answer_id)
    assert not reply["same"]
    assert {"answer", "citations"} <= set(reply["differences"])
    assert kinds(reply) == {"index", "passages"}


def test_a_deleted_document_is_a_cause_and_not_shown_again(house: House) -> None:
    document_id = house.add("pool.txt", POOL)
    answer_id = ask(house)
    house.client.delete(f"/v1/documents/{document_id}")
    reply = again(house, answer_id)
    assert not reply["same"]
    assert {"document_deleted", "passages", "index"} == kinds(reply)
    assert "nine" not in json.dumps(reply)


def test_a_deleted_collection_is_a_cause_and_nothing_else_is_searched(house: House) -> None:
    house.client.post("/v1/collections", json={"name": "other"})
    house.add("pool.txt", POOL, "other")
    house.add("pool.txt", POOL)
    answer_id = ask(house, collections=["other"])
    house.client.delete("/v1/collections/other")
    reply = again(house, answer_id)
    assert "collection_deleted" in kinds(reply)
    assert (reply["answer"]["status"], reply["answer"]["passages"]) == ("refused", [])


def replayed_with(house: House, generator: FakeGenerator) -> Replay:
    """The one answer there is, replayed with another model."""
    answer_id = AnswerId(ask(house))
    services = replace(house.services, generator=generator)
    stored = services.answers.get(answer_id, Caller.owner())
    done = replay(services, stored, Caller.owner(), encode_answer, cancelled=lambda: False)
    assert done is not None
    return done


def test_another_model_or_device_is_a_cause(house: House) -> None:
    house.add("pool.txt", POOL)
    other = FakeGenerator()
    other.model_sha256, other.runs_on = "e" * 64, "somewhere"
    done = replayed_with(house, other)
    assert done.is_same
    assert {cause.kind for cause in done.causes} == {"model", "device"}


def test_a_difference_without_a_cause_is_called_unexplained(tmp_path: Path) -> None:
    house = House(tmp_path, style="draft")
    house.add("pool.txt", POOL)
    done = replayed_with(house, FakeGenerator(reply="The swimming pool opens at nine."))
    assert "answer" in done.differences
    assert [cause.kind for cause in done.causes] == ["unexplained"]
    house.close()


def test_a_prompt_that_is_gone_is_a_cause(house: House) -> None:
    house.add("pool.txt", POOL)
    stored = house.services.answers.get(AnswerId(ask(house)), Caller.owner())
    receipt = {**stored.response["receipt"], "prompt": "direct@999"}
    older = replace(stored, response={**stored.response, "receipt": receipt})
    done = replay(house.services, older, Caller.owner(), encode_answer, cancelled=lambda: False)
    assert done is not None
    assert done.is_same
    assert {cause.kind for cause in done.causes} == {"prompt"}


def test_an_answer_that_never_became_whole_cannot_be_replayed(tmp_path: Path) -> None:
    house = House(tmp_path, generator=FakeGenerator(error=ZeroDivisionError()))
    house.add("pool.txt", POOL)
    body = {"question": QUESTION, "min_confidence": 0, "stream": True}
    text = house.client.post("/v1/answer", json=body).text
    answer_id = json.loads(text.split("data: ")[1].split("\n")[0])["id"]
    response = house.client.post(f"/v1/answers/{answer_id}/replay")
    assert (response.status_code, response.json()["code"]) == (409, "answer_not_replayable")
    house.close()


def test_an_error_while_replaying_is_a_problem(house: House) -> None:
    house.add("pool.txt", POOL)
    answer_id = ask(house)
    house.generator.error = ZeroDivisionError("the password is hunter2")
    response = house.client.post(f"/v1/answers/{answer_id}/replay")
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "hunter2" not in response.text
