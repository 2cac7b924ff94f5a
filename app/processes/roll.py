"""Which processes of one service run, by name, for those that tell of their figures."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from prometheus_client.multiprocess import mark_process_dead

from app.supervisor import Process

_SUFFIX: Final = ".pid"


class Roll:
    """A file for each in the folder that they share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def enter(self, name: str, pid: int) -> None:
        """One was started."""
        (self._folder / f"{name}{_SUFFIX}").write_text(str(pid), encoding="ascii")

    def strike(self, name: str, pid: int) -> None:
        """It has ended: what it has counted stays, what it was doing does not."""
        (self._folder / f"{name}{_SUFFIX}").unlink(missing_ok=True)
        mark_process_dead(pid, str(self._folder))  # type: ignore[no-untyped-call] # the library's

    def entering(self, name: str, start: Callable[[], Process]) -> Callable[[], Process]:
        """The same start, which enters what it started."""

        def begin() -> Process:
            process = start()
            self.enter(name, process.pid)
            return process

        return begin

    def read(self) -> dict[str, int]:
        """The pid of each that runs, or has just ended."""
        found = {}
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            # struck off, or being written, just now
            try:
                found[path.stem] = int(path.read_text(encoding="ascii"))
            except (FileNotFoundError, ValueError):
                continue
        return found
