"""Backups and restores that are killed at one step after another: for tests, and only there.

Each runs in a process of its own, forked from this one, which has opened nothing. A step is a file
that is opened for writing, renamed or removed, or a statement that is sent to the database; the
kill is the kernel's own.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import event
from sqlalchemy.engine import Engine

from app.backup.folder import BackupFolder
from app.backup.mark import MARK
from app.backup.restoring import read_deletions, restore
from app.backup.taking import take_backup
from core.blobs import FolderBlobStore
from core.database import Database
from ingestion.store import Store
from tests.unit.app.backup.conftest import place_of, source_of

NUM_KILLS: Final = 8
_CHANGES: Final = frozenset({"os.rename", "os.remove"})


def back_up(data_dir: Path, backups: Path) -> None:
    """Take a backup."""
    database = Database(f"sqlite:///{data_dir / 'cimiento.db'}")
    blobs = FolderBlobStore(data_dir / "blobs")
    source = source_of(data_dir, Store.below(data_dir, database, blobs))
    take_backup(source, BackupFolder(backups))


def bring_back(backups: Path, data_dir: Path) -> None:
    """Restore the newest backup."""
    folder = BackupFolder(backups)
    place = place_of(data_dir, Database(f"sqlite:///{data_dir / 'cimiento.db'}"))
    restore(folder, folder.get(None), place, deletions=read_deletions(folder, place, []))


def run(work: Callable[[], None], *, dies_at: int | None = None) -> int:
    """Do the work in a process that dies at that step; how many steps it took, 0 where it died."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        steps = _count_steps(dies_at)
        work()
        os.write(writing, str(len(steps)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        num_steps = int(told.read() or 0)
    _, status = os.waitpid(pid, 0)
    assert status == (0 if num_steps else signal.SIGKILL), (dies_at, status)
    return num_steps


def _count_steps(dies_at: int | None) -> list[None]:
    steps: list[None] = []

    def take(*_: object) -> None:
        steps.append(None)
        if len(steps) == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def hear(name: str, arguments: tuple[object, ...]) -> None:
        is_written = name == "open" and bool(int(str(arguments[2])) & (os.O_WRONLY | os.O_RDWR))
        if name in _CHANGES or is_written:
            take()

    sys.addaudithook(hear)
    event.listen(Engine, "before_cursor_execute", take)
    return steps


def spread(num_steps: int) -> Iterator[int]:
    """Steps to die at: the first, the last, and others between them."""
    yield from sorted(
        {1 + number * (num_steps - 1) // (NUM_KILLS - 1) for number in range(NUM_KILLS)}
    )


def main(deed: str, root: Path) -> None:
    """Kill one backup after another into one folder, or restores into a place each; then finish."""
    data_dir, backups = root / "data", root / "backups"
    told: list[object] = []
    if deed == "backup":
        for step in spread(run(partial(back_up, data_dir, root / "counted"))):
            # what an earlier one has copied takes no steps: the last may come to their end
            has_died = not run(partial(back_up, data_dir, backups), dies_at=step)
            told.append([has_died, _count_whole(backups)])
        run(partial(back_up, data_dir, backups))
    else:
        for step in spread(run(partial(bring_back, backups, root / "counted"))):
            place = root / f"place-{step}"
            has_died = not run(partial(bring_back, backups, place), dies_at=step)
            told.append([place.name, has_died, (place / MARK).exists()])
            run(partial(bring_back, backups, place))
    sys.stdout.write(json.dumps(told))


def _count_whole(backups: Path) -> int:
    """How many backups there are; each is whole, or this raises."""
    folder = BackupFolder(backups)
    ids = folder.list_ids()
    for each in ids:
        folder.check(folder.objects_of(folder.get(each)))
    return len(ids)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
