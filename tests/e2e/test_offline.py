"""With the network cut, everything works: nothing is fetched when serving, adding or asking.

The journey runs in a network namespace of its own that has a loopback and nothing else, so that no
library, in whatever language it is written, can reach anything.
"""

import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.service import DOCUMENTS, Place, serving
from tests.ports import free_port

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
_NO_NAMESPACES = 77


@pytest.mark.weights
def test_serve_add_and_ask_work_without_a_network(place: Place) -> None:
    command = [sys.executable, "-m", __name__, str(place.data_dir), str(place.models_dir)]
    journey = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    if journey.returncode == _NO_NAMESPACES:
        pytest.skip("this kernel lets no user make a network namespace")

    assert journey.returncode == 0, journey.stderr
    found = json.loads(journey.stdout.splitlines()[-1])
    assert found == {
        "reaches_outside": False,
        "added": 0,
        "asked": "answered",
        "served": "answered",
    }


def enter_empty_network() -> None:
    """Leave every network behind; only a loopback of our own remains. Raises PermissionError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0 and libc.unshare(_CLONE_NEWNET) != 0:
        raise PermissionError(ctypes.get_errno(), "unshare")

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh", b"lo", _IFF_UP)
        fcntl.ioctl(control, _SIOCSIFFLAGS, request)


def reaches_outside() -> bool:
    """Whether any address but our own can be reached; 192.0.2.1 is reserved for examples."""

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # sends nothing: a datagram socket only looks for a route
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return False
    return True


def main(data_dir: Path, models_dir: Path) -> None:
    """The journey, told as one line of JSON."""
    try:
        enter_empty_network()
    except PermissionError:
        os._exit(_NO_NAMESPACES)
    place = Place(data_dir, models_dir, free_port())
    found: dict[str, object] = {"reaches_outside": reaches_outside()}
    found["added"] = place.run("add", str(DOCUMENTS / "sobre-https.md")).returncode
    asked = place.run("ask", "¿Cuánto duran los certificados de Let's Encrypt?", "--json")
    found["asked"] = json.loads(asked.stdout)["status"] if asked.stdout else asked.stderr
    with serving(place) as service:
        service.add(DOCUMENTS / "fastapi-alternatives.pdf")
        found["served"] = service.ask("Who created Hug?")["status"]
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
