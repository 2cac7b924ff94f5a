"""Files at paths that a person named: written whole, or a message that says why not."""

import os
from pathlib import Path

from core.durable import replace_text
from core.errors import CimientoError


class UnwritableFileError(CimientoError):
    """A file that the caller named cannot be written; the message says why."""

    code = "unwritable_file"


def require_writable(path: Path) -> None:
    """Make the folder of `path`, before work whose result goes there: it must not be lost.

    Raises `UnwritableFileError`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        reason = "it is a folder" if path.is_dir() else f"{path.parent} may not be written to"
        raise UnwritableFileError(f"{path} cannot be written: {reason}")


def write_text(path: Path, text: str) -> None:
    """Write a file whole: a reader never meets half of it. Raises `UnwritableFileError`."""
    require_writable(path)
    try:
        replace_text(path, text)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> UnwritableFileError:
    return UnwritableFileError(f"{path} cannot be written: {error.strerror or error}")
