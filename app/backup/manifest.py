"""What a backup consists of, as one file of JSON that bears its own hash. Plain data."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Self

from app.backup.errors import BackupDamagedError

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the rows of a table: an object of the backup folder, by the hash of its bytes."""

    sha256: str
    num_rows: int


@dataclass(frozen=True, slots=True)
class Column:
    """A column, and how its values are written: see `app.backup.rows`."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns, and its rows in parts."""

    name: str
    columns: tuple[Column, ...]
    parts: tuple[Part, ...]

    @property
    def num_rows(self) -> int:
        """Rows in all parts."""
        return sum(part.num_rows for part in self.parts)


@dataclass(frozen=True, slots=True)
class ExtraFile:
    """A file besides rows and documents, and where it goes. `setting`: the one that names it."""

    path: str
    sha256: str
    setting: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """A backup. Tables come in an order in which each refers only to those before it.

    `documents` has a row for each uploaded file, its hash and its bytes; `lost` are the hashes of
    those that could not be copied, because they were lost or damaged before. `settings` are those
    that were not left as they are by default, without secrets.
    """

    id: str
    created_at: datetime
    version: str
    revision: str
    database: str
    generation: int
    tables: tuple[Table, ...]
    documents: Table
    lost: tuple[str, ...]
    files: tuple[ExtraFile, ...]
    settings: dict[str, str]
    models: tuple[str, ...]

    def to_bytes(self) -> bytes:
        """As it is kept."""
        body = json.dumps(asdict(self), default=datetime.isoformat, indent=1)
        whole = {"format": FORMAT, "sha256": _digest(body), "backup": json.loads(body)}
        return json.dumps(whole, indent=1).encode()

    @classmethod
    def from_bytes(cls, data: bytes, *, name: str) -> Self:
        """Read what `to_bytes` wrote. Raises `BackupDamagedError`, which says `name`."""
        try:
            return cls(**_typed(_unsealed(data)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BackupDamagedError(f"the backup {name} cannot be read: {error}") from error


def _unsealed(data: bytes) -> dict[str, Any]:
    whole = json.loads(data)
    if whole["format"] != FORMAT:
        raise ValueError(
            f"it is of format {whole['format']} and this code reads {FORMAT}; restore it with the "
            "Cimiento that made it"
        )
    body: dict[str, Any] = whole["backup"]
    if _digest(json.dumps(body, indent=1)) != whole["sha256"]:
        raise ValueError("its hash is another")
    return body


def _typed(body: dict[str, Any]) -> dict[str, Any]:
    return {
        **body,
        "created_at": datetime.fromisoformat(body["created_at"]),
        "tables": tuple(_table(each) for each in body["tables"]),
        "documents": _table(body["documents"]),
        "lost": tuple(body["lost"]),
        "files": tuple(ExtraFile(**each) for each in body["files"]),
        "models": tuple(body["models"]),
    }


def _table(values: dict[str, Any]) -> Table:
    return Table(
        values["name"],
        tuple(Column(**each) for each in values["columns"]),
        tuple(Part(**each) for each in values["parts"]),
    )


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
