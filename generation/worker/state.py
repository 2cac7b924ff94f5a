"""The worker's one model: loading, ready, draining or failed, and how much is under way."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

import structlog

from core.errors import CimientoError
from core.worker_settings import WorkerSettings
from generation.completion import Completer
from generation.engine.engine import EngineStats
from generation.engine.errors import EngineError
from generation.engine.sequence import Deadlines
from generation.worker.errors import ApiError
from generation.worker.schemas import DeadlinesIn

_log = structlog.get_logger()

_RETRY_AFTER_S: Final = 5.0


class Phase(StrEnum):
    """Where a worker is in its life."""

    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"


class ServedModel(Protocol):
    """A loaded model; `generation.local.LocalGenerator` is one."""

    @property
    def model(self) -> str: ...

    @property
    def model_sha256(self) -> str: ...

    @property
    def completer(self) -> Completer: ...

    def stats(self) -> EngineStats: ...

    def load(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """The longest that a request may take; what it asks for itself can only be shorter."""

    deadlines: Deadlines

    def within(self, asked: DeadlinesIn) -> Deadlines:
        """The tighter of what is asked for and what is allowed."""
        return Deadlines(
            queue_s=_least(asked.queue_s, self.deadlines.queue_s),
            first_token_s=_least(asked.first_token_s, self.deadlines.first_token_s),
            total_s=_least(asked.total_s, self.deadlines.total_s),
        )


class Worker:
    """One model and its phase. Thread-safe."""

    def __init__(self, served: ServedModel, settings: WorkerSettings) -> None:
        self.settings = settings
        self.limits = Limits(
            Deadlines(
                queue_s=settings.queue_timeout_s,
                first_token_s=settings.first_token_timeout_s,
                total_s=settings.total_timeout_s,
            )
        )
        self.started_at = int(time.time())
        self._served = served
        self._lock = threading.Lock()
        self._phase = Phase.LOADING
        self._is_loaded = False
        self._failure: str | None = None
        self._num_under_way = 0

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def failure(self) -> str | None:
        """Why the model could not be loaded, where it could not."""
        return self._failure

    @property
    def model(self) -> str:
        """Name of the model; known before it is loaded."""
        return self._served.model

    @property
    def num_under_way(self) -> int:
        """Requests that were let in and have not ended."""
        return self._num_under_way

    def start(self) -> None:
        """Load the model, in a thread that ends with the process."""
        threading.Thread(target=self._load, name="load-model", daemon=True).start()

    def drain(self) -> None:
        """Let nothing new in; what is under way goes on."""
        with self._lock:
            self._phase = Phase.DRAINING

    def close(self) -> None:
        """End what is still under way."""
        self._served.close()

    def find_stats(self) -> EngineStats | None:
        """The engine's counters; None until there is an engine."""
        return self._served.stats() if self._is_loaded else None

    def get_served(self, model: str | None = None) -> ServedModel:
        """The model. Raises ApiError unless it is ready, and called that."""
        self.check_ready()
        if model is not None and model != self._served.model:
            raise ApiError(
                404,
                "model_not_found",
                f"this worker serves {self._served.model!r}, not {model!r}",
                param="model",
            )
        return self._served

    def check_ready(self) -> None:
        """Raise ApiError (503), which says why, unless requests are served."""
        if self._phase is not Phase.READY:
            raise ApiError(503, *self._why_not(), retry_after_s=_RETRY_AFTER_S)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """A request that draining waits for."""
        with self._lock:
            self._num_under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self._num_under_way -= 1

    def _why_not(self) -> tuple[str, str]:
        if self._phase is Phase.DRAINING:
            return "shutting_down", "the worker is shutting down; ask another one"
        if self._phase is Phase.FAILED:
            return "model_failed", f"the model could not be loaded: {self._failure}"
        return "model_loading", f"{self._served.model!r} is still loading"

    def _load(self) -> None:
        started_s = time.perf_counter()
        try:
            self._served.load()
        except (CimientoError, EngineError, OSError, ValueError, RuntimeError) as error:
            _log.exception("model_failed", model=self._served.model)
            self._settle(Phase.FAILED, str(error))
        else:
            took_s = round(time.perf_counter() - started_s, 2)
            _log.info("model_loaded", model=self._served.model, duration_s=took_s)
            self._is_loaded = True
            self._settle(Phase.READY, None)

    def _settle(self, phase: Phase, failure: str | None) -> None:
        with self._lock:
            self._failure = failure
            if self._phase is Phase.LOADING:
                self._phase = phase


def _least(asked: float | None, allowed: float | None) -> float | None:
    if asked is None or allowed is None:
        return allowed if asked is None else asked
    return min(asked, allowed)
