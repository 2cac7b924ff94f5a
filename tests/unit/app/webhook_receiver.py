"""A service that is told by webhooks, and what a test does with webhooks."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

from sqlalchemy import update

from app.webhooks.addresses import AddressCheck
from app.webhooks.delivering import Deliverer
from app.webhooks.sending import Sender
from core.tables import now
from core.webhook_settings import networks_of
from core.webhook_tables import DeliveryRow
from tests.unit.app.house import House


@dataclass
class Receiver:
    """A service that is told; replies with `statuses` in turn, and with the last of them on."""

    url: str
    statuses: list[int] = field(default_factory=lambda: [204])
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    # cleared: it listens, and replies only when it is set again
    may_reply: threading.Event = field(default_factory=threading.Event)

    def events(self) -> list[str]:
        """What it was told of."""
        return [json.loads(body)["type"] for _, body in self.received]


@contextmanager
def listening() -> Iterator[Receiver]:
    """A receiver at an address of this machine."""

    class Handler(BaseHTTPRequestHandler):
        told: ClassVar[Receiver]

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.told.received.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.told.may_reply.wait(60)
            statuses = self.told.statuses
            self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Handler.told = Receiver(f"http://127.0.0.1:{server.server_port}/hook")
        Handler.told.may_reply.set()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Handler.told
        server.shutdown()
        thread.join()


def deliver(house: House, allowed: str = "127.0.0.0/8") -> int:
    """Send what is due, as a process that lives for as long as that takes."""
    servers = house.services.servers
    deliverer = build_deliverer(house, allowed)
    deliverer.sender_id = servers.join()
    try:
        return deliverer.run_due()
    finally:
        servers.leave(deliverer.sender_id)


def build_deliverer(house: House, allowed: str = "127.0.0.0/8") -> Deliverer:
    """What sends; its process is not entered yet."""
    sender = Sender(AddressCheck(networks_of(allowed)), timeout_s=20)
    return Deliverer(house.services.database, sender)


def hook(house: House, url: str, **more: Any) -> dict[str, Any]:
    """Make a webhook."""
    made = house.client.post("/v1/webhooks", json={"url": url, **more})
    assert made.status_code == 201, made.text
    return dict(made.json())


def deliveries(house: House, made: dict[str, Any]) -> list[dict[str, Any]]:
    """Its messages, the newest first."""
    return list(house.client.get(f"/v1/webhooks/{made['id']}/deliveries").json()["items"])


def make_due(house: House) -> None:
    """Let the time until the next tries pass."""
    set_next(house, timedelta(seconds=-1))


def set_next(house: House, after: timedelta) -> None:
    """What is due now seems to be due so much later, as where the clock was set back by that."""
    with house.services.database.session_scope() as session:
        session.execute(update(DeliveryRow).values(next_at=now() + after))
