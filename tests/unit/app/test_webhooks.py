"""Webhooks: told in the transaction that makes it so, signed, tried again, and never inside."""

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.webhooks.addresses import AddressCheck
from app.webhooks.delivering import LEASE, PAUSES_S
from app.webhooks.sending import Message, Sender
from app.webhooks.signing import sign
from core.events import EVENTS
from core.webhook_settings import WebhookSettings, networks_of
from tests.unit.app.house import POOL, House
from tests.unit.app.webhook_receiver import (
    Receiver,
    deliver,
    deliveries,
    hook,
    make_due,
    set_next,
)

# ---- what is told --------------------------------------------------------------------------


def test_documents_and_jobs_are_told_of(house: House, receiver: Receiver) -> None:
    hook(house, receiver.url)
    document_id = house.add("pool.txt", POOL)
    house.add("broken.pdf", b"%PDF-1.7 broken")
    job_id = house.upload("late.txt", "Late words.").json()["job_id"]
    house.client.delete(f"/v1/jobs/{job_id}")
    house.client.delete(f"/v1/documents/{document_id}")
    house.client.post("/v1/collections", json={"name": "brief"})
    house.client.delete("/v1/collections/brief")
    deliver(house)
    assert sorted(receiver.events()) == sorted(EVENTS)
    told = {json.loads(body)["type"]: json.loads(body)["data"] for _, body in receiver.received}
    assert told["document.searchable"]["document_id"] == document_id
    assert told["document.searchable"]["collection"] == "default"
    assert told["job.failed"]["error"] == {"code": "unreadable_document", "retryable": False}
    assert told["job.cancelled"]["job_id"] == job_id


def test_no_word_and_no_name_of_a_document_is_told(house: House, receiver: Receiver) -> None:
    hook(house, receiver.url)
    house.add("zephyrine.txt", "The zephyrine pool opens at nine.")
    house.add("zephyrine.pdf", b"%PDF-1.7 zephyrine")
    deliver(house)
    assert len(receiver.received) == 2
    assert all(b"zephyrine" not in body for _, body in receiver.received)


def test_a_webhook_is_told_what_it_wants_and_no_more(house: House, receiver: Receiver) -> None:
    house.client.post("/v1/collections", json={"name": "north"})
    hook(house, receiver.url, events=["document.searchable"], collection="north")
    house.add("a.txt", POOL)
    house.add("broken.pdf", b"%PDF-1.7 broken", "north")
    house.add("b.txt", POOL, "north")
    deliver(house)
    (body,) = [json.loads(body) for _, body in receiver.received]
    assert (body["type"], body["data"]["collection"]) == ("document.searchable", "north")


def test_what_was_not_committed_is_not_told(house: House) -> None:
    made = hook(house, "https://hooks.example.org/")
    document_id = house.add("pool.txt", POOL)
    (before,) = deliveries(house, made)
    house.client.delete(f"/v1/documents/{document_id}/versions/99")
    assert deliveries(house, made) == [before]


# ---- how it is sent --------------------------------------------------------------------------


def test_a_message_is_signed_as_standard_webhooks_has_it() -> None:
    signature = sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_receiver_can_check_what_it_got(house: House, receiver: Receiver) -> None:
    made = hook(house, receiver.url)
    ping = house.client.post(f"/v1/webhooks/{made['id']}/ping").json()
    deliver(house)
    ((headers, body),) = receiver.received
    key = base64.b64decode(made["secret"].removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    assert headers["webhook-id"] == ping["id"]
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 300
    assert json.loads(body)["type"] == "ping"
    assert deliveries(house, made)[0]["state"] == "delivered"


def test_the_secret_is_shown_once(house: House) -> None:
    made = hook(house, "https://hooks.example.org/")
    assert len(base64.b64decode(made["secret"].removeprefix("whsec_"))) == 32
    for path in ("/v1/webhooks", f"/v1/webhooks/{made['id']}"):
        assert made["secret"] not in house.client.get(path).text


@pytest.mark.parametrize("status", [500, 404, 302])
def test_a_message_is_tried_again_later(house: House, receiver: Receiver, status: int) -> None:
    receiver.statuses = [status, 204]
    made = hook(house, receiver.url)
    house.client.post(f"/v1/webhooks/{made['id']}/ping")
    assert deliver(house) == 1
    (waiting,) = deliveries(house, made)
    assert (waiting["state"], waiting["attempts"], waiting["status"]) == ("waiting", 1, status)
    # longer than the first pause, for whoever takes longer than that to come here
    set_next(house, timedelta(seconds=60))
    assert deliver(house) == 0
    make_due(house)
    assert deliver(house) == 1
    assert deliveries(house, made)[0]["state"] == "delivered"
    first, second = receiver.received
    assert first[0]["webhook-id"] == second[0]["webhook-id"]
    assert first[1] == second[1]


def test_a_redirect_is_not_followed(house: House, receiver: Receiver) -> None:
    receiver.statuses = [307]
    made = hook(house, receiver.url)
    house.client.post(f"/v1/webhooks/{made['id']}/ping")
    deliver(house)
    assert len(receiver.received) == 1


def test_a_receiver_that_never_hears_is_given_up_and_can_be_tried_anew(
    house: House, receiver: Receiver
) -> None:
    receiver.statuses = [503]
    made = hook(house, receiver.url)
    house.client.post(f"/v1/webhooks/{made['id']}/ping")
    for _ in range(len(PAUSES_S) + 1):
        assert deliver(house) == 1
        make_due(house)
    (failed,) = deliveries(house, made)
    assert (failed["state"], failed["attempts"]) == ("failed", len(PAUSES_S) + 1)
    assert deliver(house) == 0
    receiver.statuses = [200]
    path = f"/v1/webhooks/{made['id']}/deliveries/{failed['id']}/resend"
    assert house.client.post(path).status_code == 202
    deliver(house)
    assert deliveries(house, made)[0]["state"] == "delivered"


def test_a_receiver_that_is_gone_is_told_no_more(house: House, receiver: Receiver) -> None:
    receiver.statuses = [410]
    made = hook(house, receiver.url)
    house.client.post(f"/v1/webhooks/{made['id']}/ping")
    deliver(house)
    assert house.client.get(f"/v1/webhooks/{made['id']}").json()["is_enabled"] is False
    house.add("pool.txt", POOL)
    assert len(deliveries(house, made)) == 1


def test_while_it_is_off_nothing_is_sent_and_what_waits_goes_on_waiting(
    house: House, receiver: Receiver
) -> None:
    made = hook(house, receiver.url)
    path = f"/v1/webhooks/{made['id']}"
    house.client.post(f"{path}/ping")
    house.client.patch(path, json={"is_enabled": False})
    assert deliver(house) == 0
    house.client.patch(path, json={"is_enabled": True})
    assert deliver(house) == 1


def test_two_who_deliver_send_each_message_once(house: House, receiver: Receiver) -> None:
    made = hook(house, receiver.url)
    for _ in range(20):
        house.client.post(f"/v1/webhooks/{made['id']}/ping")
    threads = [threading.Thread(target=deliver, args=(house,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [headers["webhook-id"] for headers, _ in receiver.received]
    assert len(ids) == len(set(ids)) == 20


@pytest.fixture
def dripping() -> Iterator[tuple[str, threading.Event]]:
    """A receiver that sends a byte of a header now and then, and says when it was left."""
    was_left, ending = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Drip: ")
                while not ending.wait(0.05):
                    connection.sendall(b"a")
            was_left.set()

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/", was_left
        ending.set()
        thread.join()


def test_a_receiver_that_never_ends_its_headers_is_left(
    dripping: tuple[str, threading.Event],
) -> None:
    url, was_left = dripping
    sender = Sender(AddressCheck(networks_of("127.0.0.0/8")), timeout_s=0.4)
    reply = sender.send(Message("msg_1", url, "whsec_c2VjcmV0", {"type": "ping"}))
    assert reply.status is None
    assert "took too long" in str(reply.error) or "timed out" in str(reply.error)
    assert was_left.wait(30)


def test_a_try_ends_before_another_may_begin() -> None:
    assert timedelta(seconds=WebhookSettings(timeout_s=60).timeout_s) < LEASE
    with pytest.raises(ValidationError):
        WebhookSettings(timeout_s=61)


# ---- where it is not sent --------------------------------------------------------------------


def test_without_leave_nothing_inside_is_asked(house: House, receiver: Receiver) -> None:
    made = hook(house, receiver.url)
    house.client.post(f"/v1/webhooks/{made['id']}/ping")
    deliver(house, allowed="")
    assert receiver.received == []
    (refused,) = deliveries(house, made)
    assert refused["status"] is None
    assert "CIMIENTO_WEBHOOKS__ALLOWED_NETWORKS" in refused["error"]


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://example.org/", "https://", "/hook", "https://ana:secret@example.org/"),
        *("https://example.org/" + "a" * 2000, "javascript:alert(1)", ""),
    ],
)
def test_an_address_that_is_none_is_refused(still_house: House, url: str) -> None:
    response = still_house.client.post("/v1/webhooks", json={"url": url})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert "secret" not in response.text


def test_a_deleted_webhook_takes_its_messages_with_it(house: House, tmp_path: Path) -> None:
    made = hook(house, "https://hooks.example.org/")
    house.client.post(f"/v1/webhooks/{made['id']}/ping")
    assert made["events"] == list(EVENTS)
    assert house.client.delete(f"/v1/webhooks/{made['id']}").status_code == 204
    assert deliver(house) == 0
    assert house.client.get(f"/v1/webhooks/{made['id']}").status_code == 404
