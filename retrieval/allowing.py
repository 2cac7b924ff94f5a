"""The chunks that a filter leaves, inside the caller's access. Changes no row."""

import json
import threading
from collections import OrderedDict
from typing import Final

import numpy as np
from sqlalchemy import Select, select

from core.access import Access
from core.database import Database
from core.generation import read_generation
from core.ids import CollectionId
from core.tables import ChunkRow, CollectionRow, DocumentRow, ManifestRow, VersionRow
from retrieval.filters import Condition, compile_filter
from retrieval.types import ChunkIds

_KEPT: Final = 16

# The filter and what the caller may see.
_Asked = tuple[str, frozenset[CollectionId] | None]
_Key = tuple[int, str, frozenset[CollectionId] | None]


class Allowing:
    """Turns filters into chunk ids. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, ChunkIds] = OrderedDict()

    def chunk_ids(self, given: object, access: Access) -> ChunkIds:
        """The live chunks that the filter leaves of what the caller may see: (N,) ascending.

        Raises `BadFilterError`.
        """
        condition = compile_filter(given)
        asked = (json.dumps(given, sort_keys=True), access.collection_ids)
        key = (read_generation(self._database), *asked)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        return self._find(condition, access, asked)

    def _find(self, condition: Condition, access: Access, asked: _Asked) -> ChunkIds:
        with self._database.read_scope() as session:
            # in the snapshot of the rows: they are kept under the generation that they are of
            generation = session.scalars(select(ManifestRow.generation)).one()
            found = np.array(session.scalars(_statement(condition, access)).all(), dtype=np.int64)
        with self._lock:
            self._kept[generation, *asked] = found
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found


def _statement(condition: Condition, access: Access) -> Select[int]:
    statement = (
        select(ChunkRow.id)
        .join(VersionRow, VersionRow.id == ChunkRow.version_id)
        .join(DocumentRow, DocumentRow.id == VersionRow.document_id)
        .join(CollectionRow, CollectionRow.id == DocumentRow.collection_id)
        .where(VersionRow.state == "searchable")
        .where(condition)
        .order_by(ChunkRow.id)
    )
    if access.collection_ids is not None:
        statement = statement.where(CollectionRow.id.in_(access.collection_ids))
    return statement
