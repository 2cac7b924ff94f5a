"""A message is its sender's for as long as that process lives, whatever the clocks do."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from app.live_answers import LiveAnswers
from app.presence import Presence
from app.webhooks.delivering import Deliverer
from tests.unit.app.house import House
from tests.unit.app.test_processes import eventually
from tests.unit.app.webhook_receiver import (
    Receiver,
    build_deliverer,
    deliver,
    deliveries,
    hook,
    set_next,
)


def build_presence(house: House, deliverer: Deliverer) -> Presence:
    """A process that clears up, beside others."""
    services, live = house.services, LiveAnswers(resume_s=1)
    return Presence(
        services.servers,
        services.running,
        live,
        idempotency=services.idempotency,
        deliverer=deliverer,
    )


@contextmanager
def delivering_beside(house: House, receiver: Receiver) -> Iterator[Deliverer]:
    """A process that waits for the receiver's reply to a message; it has it behind the block."""
    deliverer = build_deliverer(house)
    deliverer.sender_id = house.services.servers.join()
    num_before = len(receiver.received)
    receiver.may_reply.clear()
    sending = threading.Thread(target=deliverer.run_due)
    sending.start()
    try:
        assert eventually(lambda: len(receiver.received) > num_before)
        yield deliverer
    finally:
        receiver.may_reply.set()
        sending.join()


def test_a_clock_that_jumps_ahead_sends_nothing_twice(house: House, receiver: Receiver) -> None:
    made = hook(house, receiver.url)
    house.client.post(f"/v1/webhooks/{made['id']}/ping")
    with delivering_beside(house, receiver):
        set_next(house, timedelta(days=-1))
        assert deliver(house) == 0
        # nor where the process is looked for: it lives
        presence = build_presence(house, build_deliverer(house))
        presence._join()
        presence.look()
        assert deliver(house) == 0
    assert [each["state"] for each in deliveries(house, made)] == ["delivered"]
    assert len(receiver.received) == 1


def test_a_clock_that_was_set_back_holds_no_message_up(house: House, receiver: Receiver) -> None:
    receiver.statuses = [500, 204]
    made = hook(house, receiver.url)
    house.client.post(f"/v1/webhooks/{made['id']}/ping")
    set_next(house, timedelta(days=30))
    assert deliver(house) == 1
    # what may be a pause is no reason to think so
    set_next(house, timedelta(seconds=60))
    assert deliver(house) == 0
    set_next(house, timedelta(days=30))
    assert deliver(house) == 1
    assert deliveries(house, made)[0]["state"] == "delivered"


def test_what_a_dead_process_was_sending_is_sent_by_another_at_once(
    house: House, receiver: Receiver
) -> None:
    made = hook(house, receiver.url)
    house.client.post(f"/v1/webhooks/{made['id']}/ping")
    with delivering_beside(house, receiver) as dying:
        assert dying.sender_id is not None
        # what the kernel does when a process is killed
        os.close(house.services.servers._held.pop(dying.sender_id))
        other = build_deliverer(house)
        presence = build_presence(house, other)
        presence._join()
        assert other.find_senders() == {dying.sender_id}
        presence.look()
        assert other.find_senders() == set()
        receiver.statuses = [500]
        receiver.may_reply.set()
        assert other.run_due() == 1
        (waiting,) = deliveries(house, made)
    # whatever the first one heard in the end, it is no longer its message
    assert deliveries(house, made) == [waiting]
    assert (waiting["state"], waiting["attempts"], waiting["status"]) == ("waiting", 2, 500)
    ids = [headers["webhook-id"] for headers, _ in receiver.received]
    assert len(ids) == 2
    assert len(set(ids)) == 1


def test_a_process_that_is_not_entered_sends_nothing(house: House, receiver: Receiver) -> None:
    made = hook(house, receiver.url)
    house.client.post(f"/v1/webhooks/{made['id']}/ping")
    assert build_deliverer(house).run_due() == 0
    assert deliver(house) == 1
