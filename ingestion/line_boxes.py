"""Where the lines of versions stand on their pages, those of the last ones kept. Shows nothing.

A version never changes, and reading the lines of a long PDF takes longer than finding its
passages. What is kept is forgotten when anything is deleted, by whichever process.
"""

import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from sqlalchemy import bindparam, select

from core.access import Access
from core.database import Database
from core.generation import read_last_deletion
from core.ids import CollectionId, VersionId
from core.tables import DocumentRow, VersionRow, VersionTextRow
from ingestion.boxes import NO_LINES, Lines

_MAX_VERSIONS: Final = 1_000
# 56 bytes a line
_MAX_LINES: Final = 200_000

# Built once: putting a statement together costs more than SQLite takes to answer it.
_LINES: Final = (
    select(VersionTextRow.version_id, VersionTextRow.line_boxes, DocumentRow.collection_id)
    .join(VersionRow, VersionRow.id == VersionTextRow.version_id)
    .join(DocumentRow, DocumentRow.id == VersionRow.document_id)
    .where(VersionTextRow.version_id.in_(bindparam("version_ids", expanding=True)))
)


@dataclass(frozen=True, slots=True)
class _Kept:
    collection_id: CollectionId
    lines: Lines


class LineBoxes:
    """The lines of versions, by their ids. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._kept: OrderedDict[VersionId, _Kept] = OrderedDict()
        self._num_lines = 0
        self._last_deletion = 0

    def find(self, version_ids: Collection[VersionId], access: Access) -> Mapping[VersionId, Lines]:
        """The lines of those versions that there are and that the caller may see."""
        last_deletion = read_last_deletion(self._database)
        with self._lock:
            if last_deletion != self._last_deletion:
                self._kept.clear()
                self._num_lines, self._last_deletion = 0, last_deletion
            found = {each: self._kept[each] for each in version_ids if each in self._kept}
            for each in found:
                self._kept.move_to_end(each)
        missing = [each for each in version_ids if each not in found]
        if missing:
            found |= self._read(missing, last_deletion)
        return {
            each: kept.lines for each, kept in found.items() if access.allows(kept.collection_id)
        }

    def _read(self, version_ids: list[VersionId], last_deletion: int) -> dict[VersionId, _Kept]:
        with self._database.read_scope() as session:
            rows = session.execute(_LINES, {"version_ids": version_ids}).all()
        read = {
            VersionId(row.version_id): _Kept(
                CollectionId(row.collection_id),
                np.array(row.line_boxes, dtype=np.float64) if row.line_boxes else NO_LINES,
            )
            for row in rows
        }
        with self._lock:
            # not what may have been deleted while it was read
            if last_deletion == self._last_deletion:
                self._keep(read)
        return read

    def _keep(self, read: Mapping[VersionId, _Kept]) -> None:
        for version_id, each in read.items():
            if version_id not in self._kept:
                self._kept[version_id] = each
                self._num_lines += len(each.lines)
        while len(self._kept) > _MAX_VERSIONS or self._num_lines > _MAX_LINES:
            _, oldest = self._kept.popitem(last=False)
            self._num_lines -= len(oldest.lines)
