"""This process among those that serve: says that it lives, and clears up what is left behind.

That is answers and messages of processes that died, and keys whose day is over.
"""

import threading
import time
from typing import Final

import structlog

from app.idempotency import Idempotency
from app.live_answers import LiveAnswers
from app.running_answers import RunningAnswers
from app.webhooks.delivering import Deliverer
from core.ids import WorkerId
from ingestion.errors import WorkerGivenUpError
from ingestion.workers import Workers

_log = structlog.get_logger()

_LOOK_EVERY_S: Final = 1.0
_SWEEP_EVERY_S: Final = 600.0


class Presence:
    """A row in `workers` that is renewed from `start` to `stop`. One for a process."""

    def __init__(
        self,
        servers: Workers,
        running: RunningAnswers,
        live: LiveAnswers,
        *,
        idempotency: Idempotency,
        deliverer: Deliverer,
    ) -> None:
        self._servers = servers
        self._running = running
        self._live = live
        self._idempotency = idempotency
        self._deliverer = deliverer
        self._renewed_s = 0.0
        self._swept_s: float | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="presence", daemon=True)

    def start(self) -> None:
        """Enter this process: from now on its answers and messages are entered as well."""
        self._join()
        self._thread.start()

    def stop(self) -> None:
        """Take this process out, which has ended its answers."""
        self._stopping.set()
        self._thread.join()
        writer_id = self._live.writer_id
        self._live.writer_id = self._deliverer.sender_id = None
        if writer_id is not None:
            self._running.end_all_of({writer_id})
            self._deliverer.free({writer_id})
            self._servers.leave(writer_id)

    def look(self) -> None:
        """Renew this process; stop what was cancelled elsewhere; end what nobody goes on with.

        Now and then, forget the keys that stand for nothing any more.
        """
        writer_id = self._live.writer_id
        if writer_id is None:
            return
        if time.monotonic() - self._renewed_s >= self._servers.beat_every_s:
            self._renew(writer_id)
        # In this order: an answer is there before it is entered, until after it is taken out.
        entered = self._running.find_of(writer_id)
        for answer_id, is_cancelled in entered.items():
            live = self._live.find(answer_id)
            if live is None or not live.is_running:
                self._running.end(answer_id)
            elif is_cancelled:
                live.cancel()
        # In this order: a process enters itself before it enters answers or messages.
        entered_by = self._running.find_writers() | self._deliverer.find_senders()
        if dead := entered_by and entered_by - self._servers.find_living():
            self._clear_up(dead)
        self._sweep()

    def _clear_up(self, dead: set[WorkerId]) -> None:
        num_ended = self._running.end_all_of(dead)
        num_freed = self._deliverer.free(dead)
        _log.warning(
            "processes_died", processes=sorted(dead), answers=num_ended, messages=num_freed
        )

    def _join(self) -> None:
        self._live.writer_id = self._deliverer.sender_id = self._servers.join()
        self._renewed_s = time.monotonic()

    def _renew(self, writer_id: WorkerId) -> None:
        try:
            self._servers.renew(writer_id)
        except WorkerGivenUpError as error:
            # the others have ended its answers; those to come are another process's
            _log.warning("process_was_given_up", process=writer_id, reason=str(error))
            self._servers.leave(writer_id)
            self._join()
        else:
            self._renewed_s = time.monotonic()

    def _sweep(self) -> None:
        if self._swept_s is None or time.monotonic() - self._swept_s >= _SWEEP_EVERY_S:
            # first, so that a database that is busy is not asked every second
            self._swept_s = time.monotonic()
            self._idempotency.sweep()

    def _work(self) -> None:
        while not self._stopping.wait(_LOOK_EVERY_S):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - the loop records and goes on
                _log.warning("presence_failed", error=repr(error))
