"""Replace files so that a reader, or a run after a power cut, sees the earlier file or the new one.

A file is written under a temporary name, fsynced and renamed; its folder is fsynced last.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def replace_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a new file, then put it in the place of `path`.

    When `write` fails, what was at `path` is untouched and nothing is left beside it.
    """
    # one name, not a random one: what a killed run left behind is overwritten, never collected
    temporary = path.with_name(f".{path.name}.partial")
    try:
        with temporary.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def replace_text(path: Path, text: str) -> None:
    """As `replace_file`, with a text in UTF-8."""
    replace_file(path, lambda stream: stream.write(text.encode("utf-8")))


def sync_folder(folder: Path) -> None:
    """fsync a folder, so that a rename inside it outlives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def stood_still(path: Path, seconds: float) -> bool:
    """Whether nobody has touched it for so long; what is not there any more has not."""
    try:
        return time.time() - path.stat().st_mtime > seconds
    except FileNotFoundError:
        return False
