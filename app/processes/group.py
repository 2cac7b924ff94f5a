"""A front, the processes behind it and the workers beside them: started, kept alive, stopped."""

import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final

import structlog

from app.processes.channel import Seat, running
from app.processes.front import Front, Member
from app.processes.roll import Roll
from app.supervisor import Process, Supervisor

_log = structlog.get_logger()

_STEP_S: Final = 0.2
# Behind the drain time: for replies that were cut short, and for what a process lets go of.
_FAREWELL_S: Final = 10.0
# How often in a row each process may fail to start, where some have served before.
_MAX_FAILED: Final = 5
_FAILED: Final = 1
_TOLD_CODES: Final = (1, 2)


class ApiProcess:
    """A seat among the processes of one address, and whoever sits there now."""

    def __init__(
        self, seat: Seat, front: Front, start: Callable[[int], Process], *, drain_s: float
    ) -> None:
        """start: starts a process that finds its end of the channel at this open file."""
        self.num_failed = 0
        self.exit_code = 0
        self.supervisor = Supervisor(
            self._start,
            name=seat.name,
            stop_within_s=drain_s + _FAREWELL_S,
            on_death=self._note_death,
        )
        self._seat = seat
        self._front = front
        self._start_at = start
        self._roll = Roll(seat.shared)
        self._member: Member | None = None

    def _start(self) -> Process:
        ours, theirs = socket.socketpair()
        with theirs:
            # first: it waits in the channel, also for one that dies at once
            self._seat.send(ours)
            try:
                process = self._start_at(theirs.fileno())
            except OSError:
                ours.close()
                raise
        self._roll.enter(self._seat.name, process.pid)
        self._member = self._front.join(ours)
        return process

    def _note_death(self, process: Process) -> None:
        self._roll.strike(self._seat.name, process.pid)
        self.exit_code = process.returncode
        has_served = self._member is not None and self._member.was_up
        self.num_failed = 0 if has_served else self.num_failed + 1
        self._front.wake()


class Group:
    """Everything that one `cimiento serve` runs. Runs in the main thread: it owns the signals."""

    def __init__(
        self, front: Front, apis: Sequence[ApiProcess], workers: Sequence[Supervisor]
    ) -> None:
        """workers: in the order in which the processes know them."""
        self._front = front
        self._apis = apis
        self._workers = workers
        self._num_signals = 0

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT, then drain; returns the exit code.

        Ends by itself where no process can be started: with the code of the one that said why.
        """
        with self._signals():
            for worker in self._workers:
                worker.start()
            try:
                code = self._serve()
                self._drain()
            finally:
                for worker in self._workers:
                    worker.begin_stop()
                for worker in self._workers:
                    worker.join()
        return code

    def _serve(self) -> int:
        # alone: what keeps one from starting keeps all, and is to be said once
        self._apis[0].supervisor.start()
        is_first_up = False
        while not self._num_signals:
            self._step()
            if not is_first_up and self._front.has_up:
                is_first_up = True
                for api in self._apis[1:]:
                    api.supervisor.start()
            if not self._front.has_up and self._nobody_starts(is_first_up=is_first_up):
                _log.error("no_process_starts", exit_code=self._apis[0].exit_code)
                told = self._apis[0].exit_code
                return told if told in _TOLD_CODES else _FAILED
        return 0

    def _nobody_starts(self, *, is_first_up: bool) -> bool:
        if not is_first_up:
            return self._apis[0].num_failed > 0
        return all(api.num_failed >= _MAX_FAILED for api in self._apis)

    def _drain(self) -> None:
        """Those who connect meanwhile are told so by the processes, until the last has ended."""
        for api in self._apis:
            api.supervisor.begin_stop()
        num_signals = self._num_signals
        while not all(api.supervisor.has_ended for api in self._apis):
            self._step()
            if self._num_signals > num_signals:
                num_signals = self._num_signals
                for api in self._apis:
                    api.supervisor.insist()

    def _step(self) -> None:
        self._front.step(_STEP_S)
        self._front.tell(running(tuple(worker.is_alive() for worker in self._workers)))

    @contextmanager
    def _signals(self) -> Iterator[None]:
        numbers = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.signal(number, self._on_signal) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._num_signals += 1
        self._front.wake()
