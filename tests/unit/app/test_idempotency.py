"""What is sent again under its Idempotency-Key makes nothing twice."""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import httpx2
import pytest
from sqlalchemy import select, update
from starlette.types import Message

from app.idempotency import KEPT_FOR
from app.people.accounts import forget_person
from app.people.credentials import NewKey
from core.answer_tables import AnswerRow
from core.people_tables import ApiKeyRow, IdempotencyKeyRow, PersonRow
from core.server_settings import ServerSettings
from core.tables import now
from tests.fakes_generation import FakeGenerator
from tests.unit.app.asgi import GONE, Exchange, call, part
from tests.unit.app.house import POOL, House
from tests.unit.app.sse import read_events

ASKED = {"question": "When does the swimming pool open in the morning?", "min_confidence": 0}
KEY = {"Idempotency-Key": "7f3c0d9e"}


def ask(house: House, *, key: str = "7f3c0d9e", **body: object) -> httpx2.Response:
    return house.client.post("/v1/answer", json=ASKED | body, headers={"Idempotency-Key": key})


def stored_ids(house: House) -> list[str]:
    with house.services.database.read_scope() as session:
        return list(session.scalars(select(AnswerRow.id).order_by(AnswerRow.id)))


def keys_of(house: House) -> list[IdempotencyKeyRow]:
    with house.services.database.read_scope() as session:
        return list(session.scalars(select(IdempotencyKeyRow)))


def tokens_of(house: House) -> int:
    return sum(house.services.doors.usage.today().values())


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[House]:
    """A service with a slow model, which waits for those who lost their connection."""
    house = House(
        tmp_path / "data",
        generator=FakeGenerator(pause_s=0.03),
        server=ServerSettings(resume_s=60),
    )
    house.add("pool.txt", POOL)
    yield house
    house.close()


def hang_up_while_it_is_written(house: House) -> None:
    """Send the question, and lose the connection once the model writes."""

    async def receive(number: int, _: Exchange) -> Message:
        if number == 1:
            return part(json.dumps(ASKED).encode(), more=False)
        await anyio.to_thread.run_sync(house.generator.is_writing.wait, 60)
        return GONE

    headers = {
        "authorization": f"Bearer {house.key}",
        "content-type": "application/json",
        "idempotency-key": KEY["Idempotency-Key"],
    }
    call(house.app, "/v1/answer", headers=headers, receive=receive)


def test_the_same_key_is_answered_once(pool: House) -> None:
    first, again = ask(pool), ask(pool)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert stored_ids(pool) == [first.json()["id"]]


def test_what_is_sent_again_takes_no_tokens(pool: House) -> None:
    ask(pool)
    taken = tokens_of(pool)
    ask(pool)
    assert tokens_of(pool) == taken > 0


def test_without_a_key_and_under_another_one_it_is_asked_anew(pool: House) -> None:
    ask(pool)
    ask(pool, key="another")
    pool.client.post("/v1/answer", json=ASKED)
    pool.client.post("/v1/answer", json=ASKED)
    assert len(stored_ids(pool)) == 4


def test_another_question_under_the_key_is_refused(pool: House) -> None:
    ask(pool)
    for change in ({"question": "Who has the key?"}, {"top_k": 3}, {"collections": ["default"]}):
        refused = ask(pool, **change)
        assert refused.status_code == 422
        assert refused.json()["code"] == "idempotency_key_reused"
    assert len(stored_ids(pool)) == 1


def test_a_key_is_its_callers_own(pool: House) -> None:
    _, secret = pool.services.credentials.create(NewKey("other"))
    other = pool.new_client({"Authorization": f"Bearer {secret}"})
    mine = ask(pool).json()
    theirs = other.post("/v1/answer", json=ASKED | {"top_k": 3}, headers=KEY)
    assert theirs.status_code == 200
    assert theirs.json()["id"] != mine["id"]


def test_events_and_the_whole_are_one_question(pool: House) -> None:
    streamed = read_events(ask(pool, stream=True).text)
    whole = ask(pool)
    assert whole.json() == streamed[-1].data
    again = ask(pool, stream=True)
    assert read_events(again.text)[-1] == streamed[-1]
    assert again.headers["idempotent-replayed"] == "true"


def test_a_lost_reply_is_fetched_by_asking_again(slow: House) -> None:
    hang_up_while_it_is_written(slow)
    again = ask(slow)
    assert again.status_code == 200
    assert again.json()["status"] == "answered"
    assert not slow.generator.was_cancelled.is_set()
    assert stored_ids(slow) == [again.json()["id"]]


def test_without_a_key_a_lost_connection_ends_the_work(slow: House) -> None:
    async def receive(number: int, _: Exchange) -> Message:
        if number == 1:
            return part(json.dumps(ASKED).encode(), more=False)
        await anyio.to_thread.run_sync(slow.generator.is_writing.wait, 60)
        return GONE

    headers = {"authorization": f"Bearer {slow.key}", "content-type": "application/json"}
    call(slow.app, "/v1/answer", headers=headers, receive=receive)
    assert slow.generator.was_cancelled.wait(60)


def test_an_answer_that_failed_is_asked_for_anew(pool: House) -> None:
    pool.generator.error = RuntimeError("out of memory")
    assert ask(pool).status_code == 500
    pool.generator.error = None
    again = ask(pool)
    assert again.status_code == 200
    assert "idempotent-replayed" not in again.headers
    assert ask(pool).json() == again.json()


def test_a_deleted_answer_does_not_come_back_by_its_key(pool: House) -> None:
    first = ask(pool).json()
    assert pool.client.delete(f"/v1/answers/{first['id']}").status_code == 204
    again = ask(pool).json()
    assert again["id"] != first["id"]
    assert stored_ids(pool) == [again["id"]]


def test_a_deleted_document_does_not_come_back_by_a_key(pool: House) -> None:
    first = ask(pool).json()
    assert first["citations"]
    document_id = first["citations"][0]["document_id"]
    pool.client.delete(f"/v1/documents/{document_id}")
    again = ask(pool)
    assert first["citations"][0]["quote"] not in again.text
    assert again.json()["citations"] == []


def test_a_caller_who_sees_less_by_now_is_shown_no_more(pool: House) -> None:
    first = ask(pool).json()
    with pool.services.database.session_scope() as session:
        session.execute(update(ApiKeyRow).values(is_limited=True))  # to no collection
    again = ask(pool)
    assert again.json()["id"] != first["id"]
    assert first["answer"] not in again.text


def test_a_key_is_forgotten_after_a_day(pool: House) -> None:
    ask(pool)
    with pool.services.database.session_scope() as session:
        session.execute(update(IdempotencyKeyRow).values(created_at=now() - KEPT_FOR * 1.01))
    assert ask(pool, question="Who has the key?").status_code == 200


def test_keys_whose_day_is_over_are_swept(pool: House) -> None:
    ask(pool)
    ask(pool, key="of today")
    of_first = (
        IdempotencyKeyRow.key_hash == hashlib.sha256(KEY["Idempotency-Key"].encode()).hexdigest()
    )
    with pool.services.database.session_scope() as session:
        outdated = update(IdempotencyKeyRow).values(created_at=now() - KEPT_FOR * 1.01)
        session.execute(outdated.where(of_first))
    pool.services.idempotency.sweep()
    assert len(keys_of(pool)) == 1
    assert ask(pool, key="of today").headers["idempotent-replayed"] == "true"


def test_what_failed_before_anybody_was_told_leaves_neither_answer_nor_key(pool: House) -> None:
    faulty = {"field": "uploaded", "op": "gte", "value": "soon"}
    assert ask(pool, filter=faulty).json()["code"] == "bad_filter"
    assert (stored_ids(pool), keys_of(pool)) == ([], [])
    # so that the question can be put right under its key
    assert ask(pool).status_code == 200


def test_a_question_that_is_sent_many_times_at_once_is_answered_once(slow: House) -> None:
    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(lambda _: ask(slow), range(8)))
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.json()["id"] for reply in replies}) == 1
    assert len(stored_ids(slow)) == 1


def test_keys_go_with_the_account_of_their_owner(pool: House) -> None:
    browser = pool.sign_in()
    here = {"Sec-Fetch-Site": "same-origin"} | KEY
    assert browser.post("/v1/answer", json=ASKED, headers=here).status_code == 200
    with pool.services.database.session_scope() as session:
        for row in session.scalars(select(PersonRow)).all():
            forget_person(session, row)
    assert keys_of(pool) == []


def test_an_evaluation_is_started_once(pool: House) -> None:
    wanted = {"generate": 2, "name": "nightly"}
    first, again = (pool.client.post("/v1/evaluations", json=wanted, headers=KEY) for _ in "12")
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert len(pool.client.get("/v1/evaluations").json()["items"]) == 1
    refused = pool.client.post("/v1/evaluations", json=wanted | {"generate": 3}, headers=KEY)
    assert refused.json()["code"] == "idempotency_key_reused"
    assert ask(pool).json()["code"] == "idempotency_key_reused"
    run = first.json()["id"]
    pool.client.post(f"/v1/evaluations/{run}/cancel")
    assert pool.client.delete(f"/v1/evaluations/{run}").status_code == 204
    anew = pool.client.post("/v1/evaluations", json=wanted, headers=KEY)
    assert anew.json()["id"] != run


def test_a_key_is_kept_as_a_digest(pool: House) -> None:
    ask(pool, key="order 4711 of Ana")
    (row,) = keys_of(pool)
    assert "4711" not in str(vars(row))


@pytest.mark.parametrize("key", ["", "a" * 256])
def test_a_key_that_is_none_is_refused(pool: House, key: str) -> None:
    assert ask(pool, key=key).status_code == 422
