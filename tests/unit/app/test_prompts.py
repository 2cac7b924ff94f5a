"""Prompts over HTTP: kept for ever, active per collection, rolled back, previewed, replayed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from app.prompts import check_prompts
from core.access import Access
from core.prompt_tables import PromptRow
from generation.prompts import builtin_prompts
from tests.fakes_generation import FakeGenerator
from tests.unit.app.house import POOL, House
from tests.unit.app.sse import read_events

EVERYTHING = Access.to_everything()
QUESTION = "When does the swimming pool open in the morning?"
OPENS = "The swimming pool opens at nine in the morning."
MINE = """\
name: mine
description: Short.
en:
  system: {system}
  passage: "<{{source}}> {{text}}"
  user: "{{passages}} || {{question}}"
"""
SOURCE = MINE.format(system="Answer in one word.")
OTHER = MINE.format(system="Answer in two words.")
THINKING = "The first sentence tells when."


def create(house: House, source: str = SOURCE) -> dict[str, Any]:
    response = house.client.post("/v1/prompts", json={"source": source})
    assert response.status_code in {200, 201}, response.text
    made: dict[str, Any] = response.json()
    return made


def ask(house: House, **body: object) -> dict[str, Any]:
    body = {"question": QUESTION, "min_confidence": 0.0, **body}
    response = house.client.post("/v1/answer", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def activate(house: House, prompt: str | None, collection: str = "default") -> httpx2.Response:
    return house.client.put(f"/v1/collections/{collection}/prompt", json={"prompt": prompt})


def active(house: House) -> dict[str, Any]:
    found: dict[str, Any] = house.client.get("/v1/collections/default/prompt").json()
    return found


def limited(house: House, *collections: str) -> TestClient:
    for name in collections:
        house.client.post("/v1/collections", json={"name": name})
    _, key = house.services.credentials.create_key("limited", collections=collections)
    return house.new_client({"Authorization": f"Bearer {key}"})


def test_the_built_in_prompts_are_listed_and_shown_with_their_source(still_house: House) -> None:
    listed = still_house.client.get("/v1/prompts").json()["items"]
    assert [each["name"] for each in listed] == sorted(builtin_prompts())
    assert all(each["built_in"] and each["languages"] == ["en", "es"] for each in listed)
    shown = still_house.client.get("/v1/prompts/few_shot").json()
    assert (shown["reference"], shown["examples"]) == ("few_shot@1", "similar")
    assert shown["source"].startswith("#")


def test_a_change_is_another_version_and_the_earlier_one_stays(house: House) -> None:
    assert create(house)["reference"] == "mine@1"
    assert create(house, OTHER)["reference"] == "mine@2"
    assert create(house)["reference"] == "mine@3"
    for reference, source in (("mine@1", SOURCE), ("mine@2", OTHER), ("mine", SOURCE)):
        assert house.client.get(f"/v1/prompts/{reference}").json()["source"] == source
    listed = house.client.get("/v1/prompts").json()["items"]
    assert [each["reference"] for each in listed][-3:] == ["mine@1", "mine@2", "mine@3"]


def test_prompts_are_listed_page_by_page(house: House) -> None:
    for source in (SOURCE, OTHER, SOURCE.replace("mine", "other")):
        create(house, source)
    listed: list[str] = []
    find = house.services.prompts.list
    while page := find(EVERYTHING, cursor=listed[-1] if listed else None, limit=2):
        assert len(page) <= 2
        listed += [each.template.reference for each in page]
    everything = [each.template.reference for each in find(EVERYTHING)]
    assert listed == everything
    assert listed[-3:] == ["mine@1", "mine@2", "other@1"]
    assert house.client.get("/v1/prompts", params={"cursor": "mine@2"}).json() == {
        "items": [house.client.get("/v1/prompts").json()["items"][-1]],
        "next_cursor": None,
    }


def test_the_same_again_is_no_new_version(house: House) -> None:
    first = house.client.post("/v1/prompts", json={"source": SOURCE})
    again = house.client.post("/v1/prompts", json={"source": f"# a comment\n{SOURCE}"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()


def test_what_is_wrong_with_a_template_is_told_with_its_line(house: House) -> None:
    broken = SOURCE.replace("{question}", "{quesiton.__class__}")
    response = house.client.post("/v1/prompts", json={"source": broken})
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "bad_prompt")
    assert {fault["field"] for fault in problem["errors"]} == {"en.user"}
    assert problem["errors"][0]["message"].startswith("line 6: {quesiton.__class__} is no variable")
    assert "{question} is missing" in problem["errors"][1]["message"]
    assert house.client.get("/v1/prompts/mine").json()["code"] == "prompt_not_found"


@pytest.mark.parametrize("reference", ["mine", "direct@9", "direct@0", "No prompt", "m" * 200])
def test_what_names_no_prompt_is_not_found(still_house: House, reference: str) -> None:
    response = still_house.client.get(f"/v1/prompts/{reference}")
    assert (response.status_code, response.json()["code"]) == (404, "prompt_not_found")
    pair = {"before": "direct", "after": reference[:80]}
    assert still_house.client.get("/v1/prompts/compare", params=pair).status_code == 404


def test_the_name_of_a_built_in_prompt_is_taken(house: House) -> None:
    source = SOURCE.replace("name: mine", "name: direct")
    response = house.client.post("/v1/prompts", json={"source": source})
    assert (response.status_code, response.json()["code"]) == (409, "prompt_name_taken")


def test_a_prompt_that_somebody_changed_in_the_database_is_not_used(house: House) -> None:
    create(house)
    with house.services.database.session_scope() as session:
        session.execute(update(PromptRow).values(source=OTHER))
    response = house.client.get("/v1/prompts/mine")
    assert (response.status_code, response.json()["code"]) == (500, "prompt_changed")
    checked = check_prompts(house.services.database, repair=True)
    assert [(each.kind, each.subject, each.mended) for each in checked.findings] == [
        ("prompt_changed", "mine@1", False)
    ]


@pytest.mark.parametrize("reference", ["mine", "mine@1"])
def test_an_answer_is_made_with_the_prompt_that_is_named(house: House, reference: str) -> None:
    house.add("pool.txt", POOL)
    made = create(house)
    answer = ask(house, prompt=reference)
    assert answer["status"] == "answered"
    receipt = answer["receipt"]
    assert (receipt["prompt"], receipt["prompt_sha256"]) == ("mine@1", made["sha256"])
    create(house, OTHER)
    again = house.client.post(f"/v1/answers/{answer['id']}/replay").json()
    assert (again["same"], again["causes"]) == (True, [])
    assert again["answer"]["receipt"]["prompt"] == "mine@1"


@pytest.mark.parametrize("prompt", ["mine", "direct@9"])
def test_an_unknown_prompt_is_refused_before_the_answer_begins(house: House, prompt: str) -> None:
    body = {"question": QUESTION, "prompt": prompt, "stream": True}
    response = house.client.post("/v1/answer", json=body)
    assert (response.status_code, response.json()["code"]) == (404, "prompt_not_found")


# ---- active in a collection --------------------------------------------------------------------


def test_an_active_prompt_answers_until_it_is_rolled_back(house: House) -> None:
    house.add("pool.txt", POOL)
    create(house)
    assert active(house) == {"prompt": "direct", "is_default": True, "history": []}
    assert activate(house, "mine").json()["prompt"] == "mine@1"
    create(house, OTHER)
    assert ask(house)["receipt"]["prompt"] == "mine@1", "the version of that time"
    assert ask(house, prompt="direct")["receipt"]["prompt"] == "direct@1"
    activate(house, "mine")
    assert ask(house)["receipt"]["prompt"] == "mine@2"

    path = "/v1/collections/default/prompt/rollback"
    went = [house.client.post(path).json()["prompt"] for _ in range(2)]
    assert went == ["mine@1", "direct"]
    assert ask(house)["receipt"]["prompt"] == "direct@1"
    over = house.client.post(path)
    assert (over.status_code, over.json()["code"]) == (409, "no_earlier_prompt")
    history = active(house)["history"]
    assert [each["prompt"] for each in history] == ["direct", "mine@1", "mine@2", "mine@1"]
    assert [each["rolled_back"] for each in history] == [True, True, False, False]


def test_after_a_rollback_one_goes_on_from_there(house: House) -> None:
    for prompt in ("few_shot", "chain_of_thought"):
        activate(house, prompt)
    path = "/v1/collections/default/prompt/rollback"
    house.client.post(path)
    activate(house, "direct")
    assert house.client.post(path).json()["prompt"] == "few_shot@1"
    assert house.client.post(path).json()["is_default"]


def test_to_activate_what_is_active_changes_nothing(house: House) -> None:
    for _ in range(2):
        activate(house, "direct@1")
    assert len(active(house)["history"]) == 1
    activate(house, None)
    assert active(house)["is_default"]


def test_collections_that_differ_are_answered_as_the_service_does(house: House) -> None:
    house.add("pool.txt", POOL)
    house.client.post("/v1/collections", json={"name": "other"})
    create(house)
    activate(house, "mine")
    assert ask(house)["receipt"]["prompt"] == "direct@1"
    assert ask(house, collections=["default"])["receipt"]["prompt"] == "mine@1"
    activate(house, "mine@1", "other")
    assert ask(house)["receipt"]["prompt"] == "mine@1"


def test_what_is_asked_for_by_name_does_not_take_the_active_prompts_style(house: House) -> None:
    house.add("pool.txt", POOL)
    activate(house, "few_shot")
    assert ask(house)["receipt"]["style"] == "draft"
    assert ask(house, prompt="direct")["receipt"]["style"] == "quote"


@pytest.mark.parametrize(("prompt", "code"), [("missing", 404), ("direct@9", 404), ("../x", 422)])
def test_only_what_is_there_can_be_activated(house: House, prompt: str, code: int) -> None:
    assert activate(house, prompt).status_code == code
    assert activate(house, "direct", "nowhere").status_code == 404
    assert active(house)["history"] == []


def test_a_key_for_some_collections_sees_what_is_active_there_and_makes_none(house: House) -> None:
    client = limited(house, "theirs")
    create(house)
    create(house, OTHER)
    for reference in ("mine", "mine@1"):
        assert client.get(f"/v1/prompts/{reference}").json()["code"] == "prompt_not_found"
        body = {"question": QUESTION, "prompt": reference}
        assert client.post("/v1/answer", json=body).json()["code"] == "prompt_not_found"
        hidden = client.put("/v1/collections/theirs/prompt", json={"prompt": reference})
        assert hidden.json()["code"] == "prompt_not_found"
    refused = client.post("/v1/prompts", json={"source": SOURCE})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")

    activate(house, "mine@1", "theirs")
    listed = client.get("/v1/prompts").json()["items"]
    assert [each["reference"] for each in listed if not each["built_in"]] == ["mine@1"]
    assert client.get("/v1/prompts/mine").json()["reference"] == "mine@1"
    answered = client.post("/v1/answer", json={"question": QUESTION}).json()
    assert answered["receipt"]["prompt"] == "mine@1"


# ---- preview -----------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [{"prompt": "few_shot"}, {"source": SOURCE}, {}])
def test_a_preview_shows_every_word_and_what_each_part_costs(
    house: House, named: dict[str, str]
) -> None:
    house.add("pool.txt", POOL)
    body = {"question": QUESTION, **named}
    shown = house.client.post("/v1/prompts/preview", json=body).json()
    contents = [message["content"] for message in shown["messages"]]
    assert POOL.split("\n", maxsplit=1)[0] in contents[-1]
    assert contents[-1].endswith(QUESTION)
    # a word is a token of the fake model
    words = sum(len(content.split()) for content in contents)
    assert shown["prompt_tokens"] == words == sum(shown["tokens"].values())
    assert shown["tokens"]["system"] == len(contents[0].split())
    assert shown["tokens"]["question"] == len(QUESTION.split())
    assert (shown["tokens"]["examples"] > 0) == (len(contents) > 2)
    assert (shown["window"], shown["fits"], shown["left_out"]) == (4096, True, [])
    assert house.client.get("/v1/prompts/mine").status_code == 404, "nothing was kept"


def test_a_preview_says_what_does_not_fit(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.generator.max_context = 260
    for name in "abcd":
        house.add(f"{name}.txt", f"{POOL} {name * 9}")
    body = {"question": QUESTION, "prompt": "few_shot"}
    shown = house.client.post("/v1/prompts/preview", json=body).json()
    assert shown["examples_left_out"]
    assert shown["left_out"]
    assert not set(shown["left_out"]) & set(shown["passages"])
    house.close()


def test_a_preview_takes_one_prompt(still_house: House) -> None:
    body = {"question": QUESTION, "prompt": "direct", "source": SOURCE}
    assert still_house.client.post("/v1/prompts/preview", json=body).status_code == 422


# ---- reasoning ---------------------------------------------------------------------------------


@pytest.fixture
def thinker(tmp_path: Path) -> Iterator[House]:
    """A service whose model reasons before it answers."""
    house = House(tmp_path, generator=FakeGenerator(reply=f"{THINKING} Answer: {OPENS}"))
    house.add("pool.txt", POOL)
    yield house
    house.close()


def test_reasoning_has_events_of_its_own_and_is_kept_apart(thinker: House) -> None:
    body = {"question": QUESTION, "min_confidence": 0, "prompt": "chain_of_thought", "stream": True}
    events = read_events(thinker.client.post("/v1/answer", json=body).text)
    names = [event.name for event in events]
    order = ["passages", "reasoning", "delta", "citation", "done"]
    assert names == sorted(names, key=order.index)
    assert set(names) == set(order)
    done = events[-1].data
    assert (done["reasoning"], done["answer"]) == (THINKING, OPENS)
    texts = ["".join(e.data["text"] for e in events if e.name == n) for n in order[1:3]]
    assert texts == [THINKING, OPENS]
    assert thinker.client.get(f"/v1/answers/{done['id']}").json()["reasoning"] == THINKING
    assert done["usage"]["reasoning_tokens"] == len(f"{THINKING} Answer:".split())
    again = thinker.client.post(f"/v1/answers/{done['id']}/replay").json()
    assert (again["same"], again["causes"]) == (True, [])


def test_reasoning_goes_with_the_document_that_it_was_about(thinker: House) -> None:
    answer = ask(thinker, prompt="chain_of_thought")
    assert answer["reasoning"] == THINKING
    document_id = answer["passages"][0]["document_id"]
    thinker.client.delete(f"/v1/documents/{document_id}")
    assert thinker.client.get(f"/v1/answers/{answer['id']}").json()["reasoning"] is None


def test_an_answer_without_reasoning_has_none(house: House) -> None:
    house.add("pool.txt", POOL)
    assert ask(house)["reasoning"] is None
