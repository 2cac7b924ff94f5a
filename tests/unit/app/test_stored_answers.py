"""Stored answers: whose they are, how they ended, and what a deletion leaves of them."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from app.answers import Answers
from app.errors import AnswerNotFoundError
from core.access import Access, Caller
from core.answer_tables import AnswerRow, AnswerSourceRow
from core.ids import AnswerId, CollectionId, DocumentId
from core.tables import VersionRow
from core.verify import check_answers
from tests.fakes_generation import FakeGenerator
from tests.unit.app.house import POOL, House
from tests.unit.app.sse import read_events
from tests.unit.ingestion.test_deletion import files_that_say

QUESTION = "When does the swimming pool open in the morning?"
MARKER = "zebrawood"
SECRET = f"The swimming pool opens at {MARKER} in the morning."


def ask(house: House, **body: object) -> dict[str, object]:
    """Ask at once, whatever the confidence; the whole answer."""
    body = {"question": QUESTION, "min_confidence": 0.0, **body}
    response = house.client.post("/v1/answer", json=body)
    assert response.status_code == 200, response.text
    reply: dict[str, object] = response.json()
    return reply


def show(house: House, answer_id: object) -> dict[str, object]:
    """The stored answer."""
    response = house.client.get(f"/v1/answers/{answer_id}")
    assert response.status_code == 200, response.text
    reply: dict[str, object] = response.json()
    return reply


def everything(house: House) -> str:
    """Every stored answer, as text."""
    with house.services.database.read_scope() as session:
        return json.dumps(session.scalars(select(AnswerRow.response)).all(), ensure_ascii=False)


def test_a_stored_answer_is_what_was_answered_and_what_was_asked(house: House) -> None:
    house.add("pool.txt", POOL)
    told = ask(house, collections=["default"])
    stored = show(house, told["id"])
    assert {key: stored[key] for key in told} == told
    assert (stored["question"], stored["collections"]) == (QUESTION, ["default"])
    assert stored["created_at"] <= stored["finished_at"]  # type: ignore[operator]
    assert stored["redacted_at"] is None


def test_a_refusal_is_stored(house: House) -> None:
    told = ask(house)
    assert (told["status"], show(house, told["id"])["status"]) == ("refused", "refused")


def test_a_failed_answer_is_stored_with_its_problem_and_no_secret(tmp_path: Path) -> None:
    error = ZeroDivisionError("the password is hunter2")
    house = House(tmp_path, generator=FakeGenerator(error=error))
    house.add("pool.txt", POOL)
    body = {"question": QUESTION, "min_confidence": 0, "stream": True}
    events = read_events(house.client.post("/v1/answer", json=body).text)
    stored = show(house, events[0].data["id"])
    assert (stored["status"], stored["answer"]) == ("failed", "")
    assert stored["error"]["code"] == "internal_error"  # type: ignore[index]
    assert stored["passages"] == events[0].data["passages"]
    assert "hunter2" not in everything(house)
    again = read_events(house.client.get(f"/v1/answers/{stored['id']}/events").text)
    assert (again[-1].name, again[-1].data) == ("error", events[-1].data)
    house.close()


def test_another_key_or_browser_cannot_read_it_and_cannot_tell_that_it_is_there(
    house: House,
) -> None:
    told = ask(house)
    _, other = house.services.credentials.create_key("other")
    path = f"/v1/answers/{told['id']}"
    for client in (
        house.new_client(headers={"Authorization": f"Bearer {other}"}),
        house.sign_in(),
    ):
        headers = {"Sec-Fetch-Site": "same-origin"}
        for method, place in (
            ("GET", path),
            ("DELETE", path),
            ("GET", f"{path}/events"),
            ("POST", f"{path}/cancel"),
        ):
            response = client.request(method, place, headers=headers)
            assert (response.status_code, response.json()["code"]) == (404, "answer_not_found")
        unknown = client.get("/v1/answers/ans_unknown")
        hidden = client.get(path).json()["detail"]
        assert hidden.replace(str(told["id"]), "ans_unknown") == unknown.json()["detail"]
    assert show(house, told["id"])


def test_an_answer_is_not_theirs_who_may_no_longer_see_what_it_quotes(house: House) -> None:
    house.add("pool.txt", POOL)
    told = ask(house)
    known = house.services.credentials.find_key(house.key)
    assert known is not None
    seeing = known.caller
    blind = replace(seeing, access=Access(frozenset({CollectionId("col_other")})))
    answers = Answers(house.services.database)
    answer_id = AnswerId(str(told["id"]))
    assert answers.get(answer_id, seeing).id == answer_id
    with pytest.raises(AnswerNotFoundError):
        answers.get(answer_id, blind)
    assert answers.get(answer_id, Caller.owner()).id == answer_id


def test_a_shared_answer_is_read_by_whoever_may_see_what_it_quotes(house: House) -> None:
    house.add("pool.txt", POOL)
    told = ask(house)
    path = f"/v1/answers/{told['id']}"
    house.client.post(f"{path}/feedback", json={"rating": "up"})
    house.client.post("/v1/collections", json={"name": "elsewhere"})
    keys = (
        house.services.credentials.create_key("other", collections=[name])[1]
        for name in ("default", "elsewhere")
    )
    seeing, blind = (house.new_client({"Authorization": f"Bearer {key}"}) for key in keys)
    assert show(house, told["id"])["shared_at"] is None
    assert seeing.put(f"{path}/share").status_code == 404

    assert house.client.put(f"{path}/share").status_code == 204
    shown = seeing.get(path).json()
    assert (shown["answer"], shown["question"]) == (told["answer"], QUESTION)
    assert shown["feedback"] is None
    assert blind.get(path).json()["code"] == "answer_not_found"
    # to read it is all that others may
    for method, place in (("DELETE", path), ("DELETE", f"{path}/share"), ("GET", f"{path}/events")):
        assert seeing.request(method, place).json()["code"] == "answer_not_found"
    assert seeing.post(f"{path}/feedback", json={"rating": "down"}).status_code == 404

    assert house.client.delete(f"{path}/share").status_code == 204
    assert seeing.get(path).status_code == 404


def test_a_deleted_answer_is_gone_with_its_question(house: House) -> None:
    house.add("pool.txt", POOL)
    told = ask(house, question=f"When does the {MARKER} pool open?")
    assert house.client.delete(f"/v1/answers/{told['id']}").status_code == 204
    assert house.client.get(f"/v1/answers/{told['id']}").status_code == 404
    assert files_that_say(house.services.settings.data_dir, MARKER) == []


def test_deleting_a_document_redacts_the_answers_that_quote_it(house: House) -> None:
    document_id = house.add("secret.txt", SECRET)
    told = ask(house)
    assert MARKER in str(told["answer"])
    assert house.client.delete(f"/v1/documents/{document_id}").status_code == 200
    stored = show(house, told["id"])
    assert (stored["answer"], stored["citations"], stored["passages"]) == ("", [], [])
    assert stored["withdrawn"] == [{"document_id": document_id, "version": 1}]
    assert stored["redacted_at"] is not None
    assert stored["question"] == QUESTION
    for word in (MARKER, "secret.txt"):
        assert word not in everything(house)
        assert files_that_say(house.services.settings.data_dir, word) == []
    assert check_answers(house.services.database, repair=False).findings == ()


@pytest.mark.parametrize("way", ["replace", "version", "collection"])
def test_every_way_to_delete_redacts(house: House, way: str) -> None:
    house.client.post("/v1/collections", json={"name": "other"})
    document_id = house.add("secret.txt", SECRET, "other")
    told = ask(house)
    if way == "replace":
        house.add("secret.txt", "The river rises in the hills.", "other")
    elif way == "version":
        house.client.delete(f"/v1/documents/{document_id}/versions/1")
    else:
        house.client.delete("/v1/collections/other")
    assert show(house, told["id"])["answer"] == ""
    assert MARKER not in everything(house)


def test_a_refusal_that_named_a_deleted_document_names_it_no_more(house: House) -> None:
    document_id = house.add("secret.txt", SECRET)
    told = ask(house, min_confidence=1.0, question="Who invented the telephone?")
    assert "secret.txt" in str(told["answer"])
    house.client.delete(f"/v1/documents/{document_id}")
    assert "secret.txt" not in json.dumps(show(house, told["id"]))


def test_an_answer_from_other_documents_stays_as_it_was(house: House) -> None:
    house.add("pool.txt", POOL)
    document_id = house.add("bread.txt", "The bakery sells rye bread.", "default")
    told = ask(house, top_k=1)
    house.client.delete(f"/v1/documents/{document_id}")
    stored = show(house, told["id"])
    assert {key: stored[key] for key in told} == told
    assert stored["redacted_at"] is None


def test_a_document_deleted_before_its_answer_is_stored_is_not_in_it(house: House) -> None:
    document_id = house.add("secret.txt", SECRET)
    is_deleted = threading.Event()
    house.generator.may_go_on = is_deleted.is_set

    def delete_while_it_writes() -> None:
        house.generator.is_writing.wait(60)
        house.services.documents.delete(DocumentId(document_id), Access.to_everything())
        is_deleted.set()

    deleting = threading.Thread(target=delete_while_it_writes)
    deleting.start()
    told = ask(house)
    deleting.join()
    assert told["passages"] == []
    assert MARKER not in everything(house)
    assert check_answers(house.services.database, repair=False).findings == ()


def test_the_database_refuses_a_deletion_that_leaves_quotes_behind(house: House) -> None:
    house.add("secret.txt", SECRET)
    ask(house)
    with pytest.raises(IntegrityError), house.services.database.session_scope() as session:
        session.execute(delete(VersionRow))


def test_verification_finds_and_mends_an_answer_that_quotes_what_is_gone(house: House) -> None:
    document_id = house.add("secret.txt", SECRET)
    told = ask(house)
    database = house.services.database
    with database.session_scope() as session:
        session.execute(delete(AnswerSourceRow))
    assert [each.kind for each in check_answers(database, repair=False).findings] == [
        "missing_source"
    ]
    house.client.delete(f"/v1/documents/{document_id}")
    assert MARKER in everything(house)
    assert [each.kind for each in check_answers(database, repair=False).findings] == [
        "orphan_quote"
    ]
    assert all(each.mended for each in check_answers(database, repair=True).findings)
    assert check_answers(database, repair=False).findings == ()
    assert MARKER not in everything(house)
    assert show(house, told["id"])["withdrawn"]


def test_a_source_that_was_forgotten_is_mended(house: House) -> None:
    document_id = house.add("secret.txt", SECRET)
    ask(house)
    database = house.services.database
    with database.session_scope() as session:
        session.execute(delete(AnswerSourceRow))
    assert check_answers(database, repair=True).num_checked == 1
    house.client.delete(f"/v1/documents/{document_id}")
    assert MARKER not in everything(house)
