"""A service in a process of its own whose answers wait, after their first word, for a file.

    python -m tests.integration.app.held_service DATA_DIR DRAIN_S

Prints one line of JSON (port and key) once it can be asked. The file is DATA_DIR/go.
"""

import json
import socket
import sys
from pathlib import Path

from app.serving import serve
from core.logs import configure_logs
from core.operator_settings import LogSettings
from core.server_settings import ServerSettings
from tests.fakes_generation import FakeGenerator
from tests.unit.app.house import POOL, House


def main(data_dir: Path, drain_s: float) -> None:
    """Serve until told to stop."""
    configure_logs(LogSettings(level="error"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        settings = ServerSettings(port=port, drain_s=drain_s)
        generator = FakeGenerator()
        generator.may_go_on = (data_dir / "go").exists
        house = House(data_dir, generator=generator, server=settings)
        house.add("pool.txt", POOL)
        sys.stdout.write(json.dumps({"port": port, "key": house.key}) + "\n")
        sys.stdout.flush()
        serve(house.app, listener, drain_s=drain_s)
        house.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
