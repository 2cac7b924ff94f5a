"""How much processor time processes have taken, as Linux tells it."""

import os
from contextlib import suppress
from pathlib import Path


def read_cpu_s(root: int) -> float:
    """Processor time of a process and of all that descend from it, those that ended included."""
    parents, ticks = _read_all()
    if root not in ticks:
        raise ProcessLookupError(f"process {root} does not run")
    return sum(ticks[pid] for pid in _family(root, parents)) / os.sysconf("SC_CLK_TCK")


def find_family(root: int) -> set[int]:
    """A process and all that descend from it."""
    parents, _ = _read_all()
    return _family(root, parents)


def _read_all() -> tuple[dict[int, int], dict[int, int]]:
    """The parent of every process, and its ticks, those of its children that ended included."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        # it may end while its line is read
        with suppress(OSError):
            told = path.read_text("utf-8", errors="replace")
            # behind the name, which may hold anything: the state is the first, see proc(5)
            fields = told.rpartition(")")[2].split()
            pid = int(path.parent.name)
            parents[pid] = int(fields[1])
            ticks[pid] = sum(map(int, fields[11:15]))
    return parents, ticks


def _family(root: int, parents: dict[int, int]) -> set[int]:
    family, found = set[int](), {root}
    while found:
        family |= found
        found = {pid for pid, parent in parents.items() if parent in family} - family
    return family
