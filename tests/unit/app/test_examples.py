"""Examples: judged, approved, chosen by likeness; and gone with any document that they quote."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from app.choosing_examples import ExampleChooser
from core.access import Access
from core.answer_tables import AnswerSourceRow
from core.ids import CollectionId
from core.prompt_tables import ExampleRow, ExampleSourceRow
from core.tables import VersionRow
from core.verify import check_examples
from generation.prompts import load_prompt, read_template
from tests.fakes import FakeEmbedder
from tests.fakes_generation import WatchedGenerator
from tests.unit.app.house import House
from tests.unit.ingestion.test_deletion import files_that_say

EVERYTHING = Access.to_everything()
POOL = "The zebrawood pool opens at nine in the morning. It closes at eight in the evening."
BREAD = "The bakery sells rye bread at seven. Cakes are sold on Sundays only."
OPENS = "When does the zebrawood pool open in the morning?"
SELLS = "When does the bakery sell rye bread?"
# its words are those of the asker, who may keep them
PLAIN = "When does the pool open in the morning?"


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[House]:
    """A service whose model notes what it reads."""
    house = House(tmp_path, generator=WatchedGenerator())
    yield house
    house.close()


def ask(house: House, question: str, **body: object) -> dict[str, Any]:
    body = {"question": question, "min_confidence": 0.0, "top_k": 1, **body}
    response = house.client.post("/v1/answer", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def judge(house: House, answer: dict[str, Any], **body: object) -> str:
    path = f"/v1/answers/{answer['id']}/feedback"
    assert house.client.post(path, json={"rating": "up", **body}).status_code == 200
    return str(answer["id"])


def decide(house: House, answer_id: str, state: str = "approved") -> dict[str, Any]:
    response = house.client.put(f"/v1/examples/{answer_id}", json={"state": state})
    assert response.status_code == 200, response.text
    decided: dict[str, Any] = response.json()
    return decided


def listed(house: House, state: str) -> list[str]:
    found = house.client.get("/v1/examples", params={"state": state}).json()["items"]
    return [each["id"] for each in found]


def approve(house: House, question: str, **said: object) -> str:
    answer_id = judge(house, ask(house, question), **said)
    decide(house, answer_id)
    return answer_id


def shown(house: House, question: str = OPENS, access: Access = EVERYTHING) -> list[str]:
    chosen = house.services.example_chooser.choose(load_prompt("few_shot"), question, access)
    return [example.id for example in chosen]


def test_a_good_answer_waits_for_somebody_to_approve_it(house: House) -> None:
    document_id = house.add("pool.txt", POOL)
    answer_id = judge(house, ask(house, OPENS))
    (candidate,) = house.client.get("/v1/examples").json()["items"]
    assert candidate == {
        "id": answer_id,
        "state": "candidate",
        "language": "en",
        "question": OPENS,
        "passage": POOL,
        "answer": "The zebrawood pool opens at nine in the morning.",
        "sources": [{"document_id": document_id, "version": 1}],
    }
    assert answer_id not in shown(house)
    assert decide(house, answer_id) == {**candidate, "state": "approved"}
    assert (listed(house, "candidate"), listed(house, "approved")) == ([], [answer_id])
    assert shown(house)[-1] == answer_id


def test_a_corrected_answer_teaches_the_correction(house: House) -> None:
    house.add("pool.txt", POOL)
    answer_id = judge(house, ask(house, OPENS), rating="down", correction="At nine.")
    assert decide(house, answer_id)["answer"] == "At nine."


def test_what_says_nothing_of_what_is_right_is_no_candidate(house: House) -> None:
    house.add("pool.txt", POOL)
    ids = [
        judge(house, ask(house, OPENS), rating="down"),
        judge(house, ask(house, OPENS, min_confidence=1.0)),
        ask(house, OPENS)["id"],
    ]
    assert listed(house, "candidate") == []
    for answer_id in (*ids, "ans_nowhere"):
        response = house.client.put(f"/v1/examples/{answer_id}", json={"state": "approved"})
        assert (response.status_code, response.json()["code"]) == (404, "example_not_found")


def test_what_was_rejected_is_shown_to_nobody_and_keeps_no_words(house: House) -> None:
    house.add("pool.txt", POOL)
    answer_id = approve(house, OPENS)
    assert decide(house, answer_id, "rejected")["question"] is None
    assert (listed(house, "rejected"), listed(house, "candidate")) == ([answer_id], [])
    assert answer_id not in shown(house)
    with house.services.database.read_scope() as session:
        (row,) = session.scalars(select(ExampleRow))
    assert (row.question, row.answer, row.passage, row.held) == (None, None, None, [])


def test_who_judges_anew_takes_the_approval_back(house: House) -> None:
    house.add("pool.txt", POOL)
    answer = ask(house, OPENS)
    decide(house, judge(house, answer))
    judge(house, answer, rating="down")
    assert (listed(house, "approved"), listed(house, "candidate")) == ([], [])
    assert str(answer["id"]) not in shown(house)


def test_an_example_goes_with_its_answer(house: House) -> None:
    house.add("pool.txt", POOL)
    answer_id = approve(house, OPENS)
    house.client.delete(f"/v1/answers/{answer_id}")
    assert answer_id not in shown(house)
    assert listed(house, "approved") == []


# ---- choosing ----------------------------------------------------------------------------------


def test_the_nearest_question_stands_last_and_the_prompts_own_fill_up(watched: House) -> None:
    watched.add("pool.txt", POOL)
    watched.add("bread.txt", BREAD)
    pool, bread = approve(watched, OPENS), approve(watched, SELLS)
    assert shown(watched, "At what time does the zebrawood pool open?") == ["1", bread, pool]
    assert shown(watched, "At what time is rye bread sold by the bakery?") == ["1", pool, bread]

    answer = ask(watched, "When does the zebrawood pool open?", prompt="few_shot")

    receipt = answer["receipt"]
    assert [each["id"] for each in receipt["examples"]] == ["1", bread, pool]
    assert receipt["examples"][0]["sources"] == []
    assert isinstance(watched.generator, WatchedGenerator)
    *_, asked, answered, _user = watched.generator.prompts[-1]
    assert asked.content.endswith(f"Question: {OPENS}")
    assert answered.content == "The zebrawood pool opens at nine in the morning."


def test_the_vectors_of_another_embedding_model_are_made_anew(house: House) -> None:
    house.add("pool.txt", POOL)
    house.add("bread.txt", BREAD)
    pool, bread = approve(house, OPENS), approve(house, SELLS)
    before = shown(house)
    other = ExampleChooser(house.services.database, FakeEmbedder(model="other", num_dimensions=32))
    for _ in range(2):
        chosen = other.choose(load_prompt("few_shot"), OPENS, EVERYTHING)
        assert [example.id for example in chosen] == before == ["1", bread, pool]


def test_an_answer_is_not_given_away_to_the_question_that_it_is_for(house: House) -> None:
    house.add("pool.txt", POOL)
    answer_id = approve(house, OPENS)
    choose = house.services.example_chooser.choose
    chosen = choose(load_prompt("few_shot"), OPENS, EVERYTHING, other_than=f" {OPENS.upper()} ")
    assert answer_id not in [example.id for example in chosen]


def test_examples_are_of_the_questions_language(house: House) -> None:
    house.add("pool.txt", POOL)
    approve(house, OPENS)
    assert shown(house, "¿Cuándo abre la piscina por la mañana?") == ["1", "2", "3"]


def test_a_fixed_list_is_what_it_is(house: House) -> None:
    house.add("pool.txt", POOL)
    approve(house, OPENS)
    source = (
        "name: fixed\nfew_shot: {max: 1}\nen:\n  system: S.\n  passage: '{text}'\n"
        "  user: '{passages} {question}'\n  examples:\n"
        "    - {question: 'Q?', passage: P., answer: A.}\n"
        "    - {question: 'Other?', passage: P., answer: A.}\n"
    )
    template = read_template(source, version=1)
    chosen = house.services.example_chooser.choose(template, OPENS, EVERYTHING)
    assert [example.question for example in chosen] == ["Q?"]
    assert house.services.example_chooser.choose(load_prompt("direct"), OPENS, EVERYTHING) == ()


def test_an_example_of_a_collection_is_shown_to_nobody_who_may_not_see_it(house: House) -> None:
    house.client.post("/v1/collections", json={"name": "other"})
    house.add("pool.txt", POOL, "other")
    answer_id = approve(house, OPENS)
    collection = house.services.collections.get("other", EVERYTHING)
    assert answer_id in shown(house, access=Access(frozenset({collection.id})))
    assert answer_id not in shown(house, access=Access(frozenset({CollectionId("col_x")})))
    assert answer_id not in shown(house, access=Access(frozenset()))
    narrowed = ask(house, OPENS, prompt="few_shot", collections=["default"])
    assert answer_id not in json.dumps(narrowed["receipt"])


def test_a_key_for_some_collections_reviews_nothing(house: House) -> None:
    house.add("pool.txt", POOL)
    answer_id = judge(house, ask(house, OPENS))
    _, key = house.services.credentials.create_key("limited", collections=["default"])
    client = house.new_client({"Authorization": f"Bearer {key}"})
    assert client.get("/v1/examples").status_code == 403
    decided = client.put(f"/v1/examples/{answer_id}", json={"state": "approved"})
    assert decided.status_code == 403


# ---- deletion ----------------------------------------------------------------------------------


def words_left(house: House) -> list[str]:
    return [str(path) for path in files_that_say(house.services.settings.data_dir, "zebrawood")]


@pytest.mark.parametrize("way", ["delete", "replace", "version", "collection"])
def test_an_example_whose_document_was_deleted_is_never_shown_again(
    watched: House, way: str
) -> None:
    watched.client.post("/v1/collections", json={"name": "other"})
    document_id = watched.add("pool.txt", POOL, "other")
    watched.add("bread.txt", BREAD)
    answer_id = approve(watched, OPENS)
    assert answer_id in shown(watched)
    if way == "delete":
        watched.client.delete(f"/v1/documents/{document_id}")
    elif way == "replace":
        watched.add("pool.txt", "The river rises in the hills.", "other")
    elif way == "version":
        watched.client.delete(f"/v1/documents/{document_id}/versions/1")
    else:
        watched.client.delete("/v1/collections/other")

    assert shown(watched) == ["1", "2", "3"]
    assert (listed(watched, "approved"), listed(watched, "candidate")) == ([], [])
    response = watched.client.put(f"/v1/examples/{answer_id}", json={"state": "approved"})
    assert response.json()["code"] == "example_not_found"
    ask(watched, SELLS, prompt="few_shot")
    assert isinstance(watched.generator, WatchedGenerator)
    assert "nine in the morning" not in str(watched.generator.prompts[-1])
    assert check_examples(watched.services.database, repair=False).findings == ()


def test_no_byte_of_an_example_is_left_of_a_deleted_document(house: House) -> None:
    document_id = house.add("pool.txt", POOL)
    approve(house, PLAIN, correction="At zebrawood nine.")
    shown(house, PLAIN)  # its vector is kept by now
    assert words_left(house)
    house.client.delete(f"/v1/documents/{document_id}")
    assert words_left(house) == []


def test_what_an_example_taught_goes_from_later_answers_with_its_document(tmp_path: Path) -> None:
    generator = WatchedGenerator(reply="As in the zebrawood case. Answer: none")
    house = House(tmp_path, generator=generator)
    house.client.post("/v1/prompts", json={"source": _REASONED})
    document_id = house.add("pool.txt", POOL)
    house.add("bread.txt", BREAD)
    example_id = approve(house, PLAIN)
    answer = ask(house, SELLS, prompt="reasoned")
    assert "zebrawood" in answer["reasoning"]
    assert {each["document_id"] for each in answer["passages"]} != {document_id}
    events = f"/v1/answers/{answer['id']}/events"
    assert "zebrawood" in house.client.get(events).text
    house.client.delete(f"/v1/documents/{document_id}")
    assert "zebrawood" not in house.client.get(events).text

    left = house.client.get(f"/v1/answers/{answer['id']}").json()

    assert left["reasoning"] is None
    assert left["withdrawn"] == [{"document_id": document_id, "version": 1}]
    assert (left["answer"], left["citations"]) == (answer["answer"], answer["citations"])
    assert left["receipt"]["examples"] == [{"id": example_id, "sources": []}]
    assert words_left(house) == []
    again = house.client.post(f"/v1/answers/{answer['id']}/replay").json()
    assert {"examples", "document_deleted"} <= {cause["kind"] for cause in again["causes"]}
    house.close()


_REASONED = """\
name: reasoned
style: draft
few_shot: {choose: similar, max: 1}
reasoning: {max_tokens: 50}
en:
  system: Think, then answer.
  passage: "{text}"
  user: "{passages} {question}"
  answer_mark: "Answer:"
"""


def test_a_replay_shows_the_same_examples(watched: House) -> None:
    watched.add("pool.txt", POOL)
    watched.add("bread.txt", BREAD)
    approve(watched, OPENS)
    answer = ask(watched, SELLS, prompt="few_shot")
    approve(watched, SELLS)
    again = watched.client.post(f"/v1/answers/{answer['id']}/replay").json()
    assert again["same"]
    assert again["answer"]["receipt"]["examples"] == answer["receipt"]["examples"]
    assert again["causes"] == []


def test_a_generator_forgets_an_example_that_was_history_only(house: House) -> None:
    document_id = house.add("pool.txt", POOL)
    answer_id = approve(house, OPENS)
    path = "/v1/collections/default/documents"
    files = {"file": ("pool.txt", b"The river rises in the hills.")}
    house.client.post(path, files=files, params={"on_conflict": "version"})
    house.ingest()
    assert answer_id in shown(house), "its version is kept as history"
    ask(house, SELLS)
    before = house.generator.num_forgotten
    house.client.delete(f"/v1/documents/{document_id}/versions/1")
    ask(house, SELLS)
    assert answer_id not in shown(house)
    assert house.generator.num_forgotten > before


def test_the_database_refuses_a_deletion_that_leaves_an_example_behind(house: House) -> None:
    house.add("pool.txt", POOL)
    approve(house, OPENS)
    with house.services.database.session_scope() as session:
        session.execute(delete(AnswerSourceRow))
    with pytest.raises(IntegrityError), house.services.database.session_scope() as session:
        session.execute(delete(VersionRow))


def test_verification_finds_and_mends_an_example_that_outlived_its_document(house: House) -> None:
    document_id = house.add("pool.txt", POOL)
    answer_id = approve(house, OPENS)
    database = house.services.database
    with database.session_scope() as session:
        session.execute(delete(ExampleSourceRow))
    assert [each.kind for each in check_examples(database, repair=False).findings] == [
        "missing_source"
    ]
    house.client.delete(f"/v1/documents/{document_id}")
    assert [each.kind for each in check_examples(database, repair=False).findings] == [
        "orphan_quote"
    ]
    assert all(each.mended for each in check_examples(database, repair=True).findings)
    assert check_examples(database, repair=False).findings == ()
    assert answer_id not in shown(house)


def test_a_source_that_was_forgotten_is_mended(house: House) -> None:
    document_id = house.add("pool.txt", POOL)
    answer_id = approve(house, OPENS)
    database = house.services.database
    with database.session_scope() as session:
        session.execute(delete(ExampleSourceRow))
    assert check_examples(database, repair=True).num_checked == 1
    house.client.delete(f"/v1/documents/{document_id}")
    assert answer_id not in shown(house)
