"""Attachments on their way from the parser's process: files in a folder, and their names."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.durable import sync_folder
from ingestion.parsing.document import Attachment

FOLDER: Final = "attachments"
_NAMES: Final = "names.json"


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """An attachment that waits in a folder to become a document."""

    name: str
    path: Path


def save_attachments(folder: Path, attachments: Sequence[Attachment]) -> None:
    """Write the attachments below `folder`, flushed to disk. Nothing is written where none are."""
    if not attachments:
        return
    inner = folder / FOLDER
    inner.mkdir()
    for number, attachment in enumerate(attachments):
        _write(inner / str(number), attachment.data)
    names = json.dumps([attachment.name for attachment in attachments])
    _write(inner / _NAMES, names.encode())
    sync_folder(inner)


def list_attachments(folder: Path) -> list[AttachedFile]:
    """What `save_attachments` wrote below `folder`, in order."""
    inner = folder / FOLDER
    if not inner.is_dir():
        return []
    names = json.loads((inner / _NAMES).read_text(encoding="utf-8"))
    return [AttachedFile(name, inner / str(number)) for number, name in enumerate(names)]


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
