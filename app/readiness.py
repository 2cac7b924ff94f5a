"""Is the service ready to answer? Warms the models up in the background; decides nothing else."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from core.errors import CimientoError

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that must hold while the service is ready; `holds` is asked every time."""

    name: str
    holds: Callable[[], bool]


class Readiness:
    """What is still missing before questions can be answered."""

    def __init__(
        self, warm_ups: Mapping[str, Callable[[], None]], conditions: tuple[Condition, ...]
    ) -> None:
        self._warm_ups = warm_ups
        self._conditions = conditions
        self._lock = threading.Lock()
        self._waiting = dict.fromkeys(warm_ups, "is loading")

    def start(self) -> None:
        """Begin to load, in a thread that ends with the process."""
        threading.Thread(target=self._warm_up, name="warm-up", daemon=True).start()

    def missing(self) -> list[str]:
        """Sentences about what is not ready; empty when everything is."""
        with self._lock:
            loading = [f"{name} {state}" for name, state in self._waiting.items()]
        return loading + [item.name for item in self._conditions if not item.holds()]

    def _warm_up(self) -> None:
        for name, load in self._warm_ups.items():
            try:
                load()
            except (CimientoError, OSError, ValueError, RuntimeError) as error:
                _log.exception("warm_up_failed", part=name)
                self._settle(name, f"could not be loaded: {error}")
            else:
                self._settle(name, None)

    def _settle(self, name: str, state: str | None) -> None:
        with self._lock:
            if state is None:
                del self._waiting[name]
            else:
                self._waiting[name] = state
