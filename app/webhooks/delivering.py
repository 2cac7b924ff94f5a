"""Deliver what is queued, until it has been heard or given up. Beside other processes that do.

A message is taken by entering who sends it, and stays that process's for as long as it lives: no
clock says when it must have ended. What a dead process was sending is tried again, so that a
receiver may get a message twice, with the same id.
"""

import random
import threading
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

import structlog
from sqlalchemy import ColumnElement, CursorResult, and_, delete, or_, select, update

from app.webhooks.sending import Message, Reply, Sender
from core.database import Database
from core.ids import WorkerId
from core.tables import now
from core.webhook_tables import DeliveryRow, WebhookRow

_log = structlog.get_logger()

_LOOK_EVERY_S: Final = 2.0
# Pauses after each try that failed, as Standard Webhooks suggests; then it is given up.
PAUSES_S: Final = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
# Many that wait for the same moment must not come together again.
_JITTER: Final = 0.1
# Longer than a try can take: for the version before, which takes whatever has been due for so long.
LEASE: Final = timedelta(minutes=2)
_AT_ONCE: Final = 8
_KEEP_ENDED: Final = timedelta(days=30)
_PRUNE_EVERY_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class _Taken:
    webhook_id: str
    message: Message
    attempts: int
    sender_id: WorkerId


class Deliverer:
    """Sends what is due. `start` makes a thread; tests call `run_due`."""

    def __init__(self, database: Database, sender: Sender) -> None:
        # under which the process is entered among those that serve; None while it is not, and sends
        # nothing
        self.sender_id: WorkerId | None = None
        self._database = database
        self._sender = sender
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._pruned_s = 0.0

    def start(self) -> None:
        """Work from now on, in a thread that ends with the process or with `stop`."""
        self._thread = threading.Thread(target=self._work, name="webhooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the messages that are being sent."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def run_due(self) -> int:
        """Send everything that is due; returns how many."""
        num_sent = 0
        while not self._stopping.is_set() and (taken := self._take()):
            with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="webhook") as threads:
                list(threads.map(self._deliver, taken))
            num_sent += len(taken)
        return num_sent

    def find_senders(self) -> set[WorkerId]:
        """Every process, alive or not, that is sending something."""
        of_waiting = select(DeliveryRow.sender_id).where(DeliveryRow.state == "waiting")
        with self._database.read_scope() as session:
            found = session.scalars(of_waiting.distinct())
            return {WorkerId(each) for each in found if each is not None}

    def free(self, dead: Collection[WorkerId]) -> int:
        """Have what these processes were sending tried again, at once; returns how many."""
        left = update(DeliveryRow).where(DeliveryRow.sender_id.in_(dead))
        with self._database.session_scope() as session:
            result = session.execute(left.values(sender_id=None, next_at=now()))
            return cast("CursorResult[Any]", result).rowcount

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                self.run_due()
                self._prune()
            except Exception as error:  # noqa: BLE001 - the loop records and goes on
                _log.warning("webhooks_failed", error=repr(error))
            self._stopping.wait(_LOOK_EVERY_S)

    def _take(self) -> list[_Taken]:
        """Some messages that are due, from now on this process's alone."""
        sender_id, moment = self.sender_id, now()
        if sender_id is None:
            return []
        due = (
            select(DeliveryRow, WebhookRow)
            .join(WebhookRow, WebhookRow.id == DeliveryRow.webhook_id)
            .where(DeliveryRow.state == "waiting", DeliveryRow.sender_id.is_(None))
            .where(_is_due(moment), WebhookRow.is_enabled)
            .order_by(DeliveryRow.next_at, DeliveryRow.id)
            .limit(_AT_ONCE)
        )
        with self._database.read_scope() as session:
            rows = session.execute(due).all()
        if not rows:
            return []
        taken = []
        with self._database.session_scope() as session:
            for row, webhook in rows:
                claim = (
                    update(DeliveryRow)
                    .where(DeliveryRow.id == row.id, DeliveryRow.next_at == row.next_at)
                    .where(DeliveryRow.state == "waiting", DeliveryRow.sender_id.is_(None))
                    .values(sender_id=sender_id, next_at=moment + LEASE, attempts=row.attempts + 1)
                )
                if cast("CursorResult[Any]", session.execute(claim)).rowcount:
                    message = Message(row.id, webhook.url, webhook.secret, row.payload)
                    taken.append(_Taken(webhook.id, message, row.attempts + 1, sender_id))
        return taken

    def _deliver(self, taken: _Taken) -> None:
        reply = self._sender.send(taken.message)
        values: dict[str, Any] = {"status": reply.status, "error": reply.error, "sender_id": None}
        if reply.is_success:
            values |= {"state": "delivered", "ended_at": now()}
        elif reply.is_gone or taken.attempts > len(PAUSES_S):
            values |= {"state": "failed", "ended_at": now()}
        else:
            values["next_at"] = now() + timedelta(seconds=_pause_s(taken.attempts))
        with self._database.session_scope() as session:
            # who was given up meanwhile has nothing to say: another one sends it
            message = update(DeliveryRow).where(
                DeliveryRow.id == taken.message.id, DeliveryRow.sender_id == taken.sender_id
            )
            session.execute(message.values(values))
            if reply.is_gone:
                gone = update(WebhookRow).where(WebhookRow.id == taken.webhook_id)
                session.execute(gone.values(is_enabled=False))
        self._log(taken, reply)

    def _log(self, taken: _Taken, reply: Reply) -> None:
        tell = _log.info if reply.is_success else _log.warning
        tell(
            "webhook_sent",
            webhook=taken.webhook_id,
            message=taken.message.id,
            attempt=taken.attempts,
            status=reply.status,
            error=reply.error,
        )

    def _prune(self) -> None:
        if time.monotonic() - self._pruned_s < _PRUNE_EVERY_S:
            return
        self._pruned_s = time.monotonic()
        old = delete(DeliveryRow).where(DeliveryRow.ended_at < now() - _KEEP_ENDED)
        with self._database.session_scope() as session:
            session.execute(old)


def _is_due(moment: datetime) -> ColumnElement[bool]:
    """Its time has come; or it lies further off than any pause, so that the clock was set back."""
    longest = [timedelta(), *(max(LEASE, timedelta(seconds=_longest_s(each))) for each in PAUSES_S)]
    return or_(
        DeliveryRow.next_at <= moment,
        *(
            and_(DeliveryRow.attempts == attempts, DeliveryRow.next_at > moment + pause)
            for attempts, pause in enumerate(longest)
        ),
    )


def _longest_s(pause_s: float) -> float:
    return pause_s * (1 + _JITTER)


def _pause_s(attempts: int) -> float:
    """Seconds from a try that failed, the first of which is number 1, to the next."""
    pause_s = PAUSES_S[attempts - 1]
    return random.uniform(pause_s, _longest_s(pause_s))  # noqa: S311 - no secret
