"""The staging folder: how far a version's work is. Atomic writes; knows no database."""

import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from core.durable import sync_folder
from core.ids import VersionId
from ingestion.errors import PoisonDocumentError
from ingestion.parsing.document import ParsedDocument
from ingestion.spans import ChunkPlan, ChunkSpan

HalfVectors = npt.NDArray[np.float16]

_PARSED: Final = "parsed.json"
_CHUNKS: Final = "chunks.json"
_TRIES: Final = "tries.json"
_PASSWORD: Final = "password"  # noqa: S105 - a file's name
_MAX_TRIES: Final = 3


class StagedVersion:
    """The folder of one version. A file in it is whole or absent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self) -> None:
        """Make the folder; nothing happens where it is there already."""
        self.folder.mkdir(parents=True, exist_ok=True)

    def save_parsed(self, parsed: ParsedDocument) -> None:
        """Keep the parsed text."""
        self._write(_PARSED, parsed.to_json().encode())

    def find_parsed(self) -> ParsedDocument | None:
        """The parsed text, or None where it is absent or damaged."""
        try:
            return ParsedDocument.from_json((self.folder / _PARSED).read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save_chunks(self, plan: ChunkPlan) -> None:
        """Keep the chunk spans."""
        data = {"language": plan.language, "spans": [asdict(span) for span in plan.spans]}
        self._write(_CHUNKS, json.dumps(data).encode())

    def find_chunks(self) -> ChunkPlan | None:
        """The chunk spans, or None where they are absent or damaged."""
        try:
            data = json.loads((self.folder / _CHUNKS).read_text(encoding="utf-8"))
            return ChunkPlan(data["language"], tuple(map(_span, data["spans"])))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def append_vectors(self, model: str, start: int, vectors: HalfVectors) -> None:
        """Keep the vectors of the chunks from `start` on."""
        folder = self._vectors_folder(model)
        folder.mkdir(exist_ok=True)
        temporary = folder / "writing.tmp"
        with temporary.open("wb") as file:
            np.save(file, vectors)
            os.fsync(file.fileno())
        temporary.replace(folder / f"{start:09d}.npy")

    def load_vectors(self, model: str, num_dimensions: int) -> HalfVectors:
        """The vectors kept so far, without a gap from the first chunk on: (N, D) float16."""
        batches: list[HalfVectors] = []
        num_vectors = 0
        for path in sorted(self._vectors_folder(model).glob("*.npy")):
            try:
                batch = np.load(path)
            except (OSError, ValueError, EOFError):
                break
            if path.stem != f"{num_vectors:09d}" or batch.shape[1:] != (num_dimensions,):
                break
            batches.append(batch.astype(np.float16))
            num_vectors += len(batch)
        if not batches:
            return np.zeros((0, num_dimensions), dtype=np.float16)
        return np.concatenate(batches)

    @property
    def is_suspect(self) -> bool:
        """Whether the process ended while work was at some point of this version."""
        return self._tries()[1] > 0

    def save_password(self, password: str) -> None:
        """Keep what opens the file, readable by this user only, until its text is parsed."""
        self.create()
        (self.folder / _PASSWORD).unlink(missing_ok=True)
        handle = os.open(self.folder / _PASSWORD, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(password)
            file.flush()
            os.fsync(file.fileno())

    def find_password(self) -> str | None:
        """What opens the file, or None where none was given or the text is parsed already."""
        try:
            return (self.folder / _PASSWORD).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def forget_password(self) -> None:
        """The text is parsed: nobody needs the password any more."""
        (self.folder / _PASSWORD).unlink(missing_ok=True)

    def count_try(self, point: str) -> None:
        """Note that work begins at this point; `forget_tries` when it ended in good order.

        Raises `PoisonDocumentError` once the process has died here too often: work that got
        further in between is at another point, and counts anew.
        """
        seen = self._tries()
        count = seen[1] + 1 if seen[0] == point else 1
        if count > _MAX_TRIES:
            raise PoisonDocumentError(
                f"the worker died {_MAX_TRIES} times at the same point ({point}) of this document"
            )
        self._write(_TRIES, json.dumps([point, count]).encode())

    def forget_tries(self) -> None:
        """The process lives: what happened was no death."""
        (self.folder / _TRIES).unlink(missing_ok=True)

    def _tries(self) -> tuple[str, int]:
        try:
            point, count = json.loads((self.folder / _TRIES).read_text())
            return str(point), int(count)
        except (OSError, ValueError, TypeError):
            return "", 0

    def _vectors_folder(self, model: str) -> Path:
        # Vectors of another model, from before its change, must never be mixed in.
        return self.folder / ("vectors-" + re.sub(r"[^\w.-]", "_", model))

    def _write(self, name: str, data: bytes) -> None:
        temporary = self.folder / f"{name}.tmp"
        with temporary.open("wb") as file:
            file.write(data)
            os.fsync(file.fileno())
        temporary.replace(self.folder / name)
        sync_folder(self.folder)


def _span(fields: dict[str, Any]) -> ChunkSpan:
    # JSON has no tuples
    header = fields.pop("header")
    return ChunkSpan(**fields, header=header and (int(header[0]), int(header[1])))


class Staging:
    """All staged versions, below one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def of(self, version_id: VersionId, lease: int | None = None) -> StagedVersion:
        """The staged work of a version under a lease, present or not."""
        return StagedVersion(self._root / _folder_name(version_id, lease))

    def hand_over(self, version_id: VersionId, lease: int) -> None:
        """Move what an earlier holder left to `lease`, at one instant.

        A holder that still lives finds its folder gone at its next write, and stops.
        """
        earlier = [path for path in self.find_folders(version_id) if _lease_of(path) < lease]
        for path in sorted(earlier, key=_lease_of, reverse=True):
            # a later holder may be doing the same at this moment
            with contextlib.suppress(OSError):
                path.rename(self.of(version_id, lease).folder)
                break
        self._remove_all(earlier)

    def remove(self, version_id: VersionId) -> None:
        """Remove everything that is staged for a version, whoever staged it."""
        self._remove_all(self.find_folders(version_id))

    def find_folders(self, version_id: VersionId) -> list[Path]:
        """Every folder of a version's staged work: one, but for moments while it changes hands."""
        return [
            path
            for path in (self._root / version_id, *self._root.glob(f"{version_id}.*"))
            if path.is_dir()
        ]

    def idle_s(self, version_id: VersionId) -> float | None:
        """Seconds since anybody touched a version's staged work; None where there is none now."""
        changed = []
        for folder in self.find_folders(version_id):
            with contextlib.suppress(FileNotFoundError):  # who works on it may remove it
                changed.append(folder.stat().st_mtime)
        return time.time() - max(changed) if changed else None

    def _remove_all(self, folders: Iterable[Path]) -> None:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)

    def list(self) -> set[VersionId]:
        """Every version that has something staged."""
        if not self._root.is_dir():
            return set()
        return {VersionId(path.name.partition(".")[0]) for path in self._root.iterdir()}


def _folder_name(version_id: VersionId, lease: int | None) -> str:
    return version_id if lease is None else f"{version_id}.{lease}"


def _lease_of(folder: Path) -> int:
    lease = folder.name.partition(".")[2]
    return int(lease) if lease else 0
