"""A disk whose every durable write waits: each fsync of ours, and each commit of a database.

A commit waits with its locks held, as it does where the disk under the database is slow. What is
read, and what only goes to the kernel's memory, waits for nothing.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, event

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

Wait = Callable[[str], None]
"""Called with "fsync" or "commit" before each."""


@contextmanager
def slow_disk(wait: Wait) -> Iterator[None]:
    """Every write of this process waits inside the block."""
    fsync = os.fsync

    def slow_fsync(fd: "FileDescriptorLike") -> None:
        wait("fsync")
        fsync(fd)

    def slow_commit(_connection: Connection) -> None:
        wait("commit")

    os.fsync = slow_fsync
    event.listen(Engine, "commit", slow_commit)
    try:
        yield
    finally:
        event.remove(Engine, "commit", slow_commit)
        os.fsync = fsync
