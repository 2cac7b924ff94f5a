"""Tie a process to its parent's life. Linux only where it must be; knows nothing of documents."""

import ctypes
import os
import signal
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def die_with_parent(parent_pid: int, number: signal.Signals) -> None:
    """Ask the kernel for a signal when the parent dies; exit at once if it already has.

    The kernel means the parent's *thread*: start such a process from a thread that lives as long
    as the process should.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):
        libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent_pid:
        raise SystemExit(1)
