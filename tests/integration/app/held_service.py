"""A service in a process of its own whose answers wait, after their first word, for a file.

    python -m tests.integration.app.held_service DATA_DIR DRAIN_S

Prints one line of JSON (port and key) once it can be asked. The file is DATA_DIR/go.
"""

import json
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from app.serving import serve
from core.logs import configure_logs
from core.operator_settings import LogSettings
from core.server_settings import ServerSettings
from generation.generator import Cancelled
from tests.fakes_generation import FakeGenerator
from tests.unit.app.house import POOL, House


class HeldGenerator(FakeGenerator):
    """Writes on only once there is a file, or once it is told to stop."""

    def __init__(self, go: Path) -> None:
        super().__init__()
        self._go = go

    def _write(self, text: str, cancelled: Cancelled) -> Iterator[str]:
        for number, word in enumerate(super()._write(text, cancelled)):
            yield word
            while number == 0 and not self._go.exists() and not cancelled():
                time.sleep(0.01)


def main(data_dir: Path, drain_s: float) -> None:
    """Serve until told to stop."""
    configure_logs(LogSettings(level="error"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        settings = ServerSettings(port=port, drain_s=drain_s)
        house = House(data_dir, generator=HeldGenerator(data_dir / "go"), server=settings)
        house.add("pool.txt", POOL)
        sys.stdout.write(json.dumps({"port": port, "key": house.key}) + "\n")
        sys.stdout.flush()
        serve(house.app, listener, drain_s=drain_s)
        house.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
