"""A TCP proxy that fails on demand: what happens between machines, on one."""

import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

_CHUNK: Final = 1 << 16
# Closing with this set resets the connection, as a killed process's kernel does.
_RESET: Final = struct.pack("ii", 1, 0)


class Proxy:
    """Forwards connections to a port of this machine. Use as a context manager.

    `cut`: bytes vanish both ways and nobody is told. `refuse`: connections are reset, and new ones
    refused. `restore` ends both.
    """

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.num_bytes_back = 0
        self._flows = threading.Event()
        self._flows.set()
        self._is_refusing = False
        self._is_closed = False
        self._open: list[socket.socket] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """From now on nothing gets through."""
        self._flows.clear()

    def refuse(self) -> None:
        """End every connection, and take no other."""
        self._is_refusing = True
        self._reset_all()

    def restore(self) -> None:
        """Forward again. What was cut stays cut, as after a restart of either end."""
        self._is_refusing = False
        self._reset_all()
        self._flows.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._is_closed = True
        self._flows.set()
        with suppress(OSError):
            # wakes the thread that accepts
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._reset_all()

    def _accept(self) -> None:
        while not self._is_closed:
            with suppress(OSError):
                client, _ = self._listener.accept()
                self._open.append(client)
                if self._is_refusing:
                    self._reset_all()
                    continue
                server = socket.create_connection(self._target)
                self._open.append(server)
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._forward, args=ends, daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                self._flows.wait()
                target.sendall(data)
                if source.getpeername() == self._target:
                    self.num_bytes_back += len(data)
            target.shutdown(socket.SHUT_WR)

    def _reset_all(self) -> None:
        doomed, self._open = self._open, []
        for end in doomed:
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                # a thread may wait in recv, which closing alone does not end
                end.shutdown(socket.SHUT_RD)
            end.close()
