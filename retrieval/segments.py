"""Open segments of the current manifest. Readers get whole snapshots; no row is written."""

import threading
import time
from dataclasses import dataclass
from typing import Final

import numpy as np
import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.database import Database
from core.errors import SegmentCorruptError
from core.generation import read_generation
from core.ids import SegmentId
from core.segment_files import SegmentFiles
from core.segments import Segment, build_segment
from core.tables import DeletedChunkRow, ManifestRow, SegmentRow
from core.vectors import list_chunk_ids, load_content
from retrieval.fetching import Fetcher, Wanted
from retrieval.selection import OpenSegment
from retrieval.types import ChunkIds

log = structlog.get_logger()

# How often a manifest that moves while its segments are opened is read again.
_MAX_TRIES: Final = 5
# How often what could not be fetched is tried again.
_LOOK_AGAIN_S: Final = 30.0
# Name of what stands in for the segments that cannot be read; no segment has it.
_STAND_IN: Final = SegmentId("stand-in")
_NONE: Final = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The index as it stood at one generation of the manifest."""

    generation: int
    segments: tuple[OpenSegment, ...]
    embedding_model: str = ""


@dataclass(frozen=True, slots=True)
class _Found:
    """What could be opened of one generation, and why the rest could not."""

    opened: list[OpenSegment]
    lacking: dict[Wanted, SegmentCorruptError]


class SegmentReader:
    """Keeps the segments open that the manifest names, of one embedding model. Thread-safe.

    `embedding_model` is searched by until the manifest names a model. Segments that are not on this
    machine are fetched from the store of `files`.
    """

    def __init__(self, database: Database, files: SegmentFiles, *, embedding_model: str) -> None:
        self._database = database
        self._files = files
        self._fetcher = Fetcher(files)
        self._embedding_model = embedding_model
        self._lock = threading.Lock()
        self._snapshot = Snapshot(generation=-1, segments=())
        # When to look again although the manifest stands still; None while nothing is lacking.
        self._look_again: _LookAgain | None = None

    def generation(self) -> int:
        """The generation that is current in the database now."""
        return read_generation(self._database)

    def snapshot(self) -> Snapshot:
        """The current index. Costs one small query unless the manifest has moved.

        A large segment that is not here yet is searched in those that it was made of, until it has
        come. One that cannot be had is reported in the log and searched from the rows in SQL until
        it can: slower to open, never left out.
        """
        if self._is_current():
            return self._snapshot
        with self._lock:
            # another thread may have loaded it while this one waited
            if not self._is_current():
                self._snapshot = self._load()
            return self._snapshot

    @property
    def is_elsewhere(self) -> bool:
        """Whether segments may have to be fetched."""
        return self._files.shared is not None

    def warm(self) -> None:
        """Fetch and open what the manifest names; what fails is left to the first search."""
        try:
            self.snapshot()
        except SQLAlchemyError as error:
            log.warning("index_not_warm", error=type(error).__name__)

    def _is_current(self) -> bool:
        look_again = self._look_again
        if look_again is not None and look_again.is_due(self._fetcher):
            return False
        return self.generation() == self._snapshot.generation

    def _load(self) -> Snapshot:
        asked: set[Wanted] = set()
        for tries_left in reversed(range(_MAX_TRIES)):
            with self._database.read_scope() as session:
                manifest = session.scalars(select(ManifestRow)).one()
                generation = manifest.generation
                model = manifest.embedding_model or self._embedding_model
                found = self._open(session, model)
                # A merge took a folder away between the manifest and its files; or it is not here.
                is_worth_it = found.lacking.keys() - asked or self.generation() != generation
                if not found.lacking or not tries_left or not is_worth_it:
                    self._fill(session, found, model)
                    named = {SegmentId(name) for name in session.scalars(select(SegmentRow.id))}
                    break
            # no session is held while they are fetched
            asked |= found.lacking.keys()
            self._fetcher.bring(found.lacking, at_once=not self._can_bridge(model))
        self._files.evict(named, known={each.segment.id for each in self._snapshot.segments})
        return Snapshot(generation, tuple(found.opened), model)

    def _open(self, session: Session, model: str) -> _Found:
        query = select(SegmentRow).where(SegmentRow.embedding_model == model)
        held = {opened.segment.id: opened for opened in self._snapshot.segments}
        deleted = _deleted_since(session, self._snapshot.generation)
        found = _Found([], {})
        for row in session.scalars(query.order_by(SegmentRow.id)):
            name = SegmentId(row.id)
            if name in held:
                found.opened.append(held[name].masking(deleted))
                continue
            try:
                segment = self._files.load_here(row)
            except SegmentCorruptError as error:
                found.lacking[Wanted(row.id, row.num_vectors, row.sha256)] = error
                continue
            found.opened.append(OpenSegment.without(segment, _deleted_within(session, segment)))
        return found

    def _can_bridge(self, model: str) -> bool:
        return bool(self._snapshot.segments) and self._snapshot.embedding_model == model

    def _fill(self, session: Session, found: _Found, model: str) -> None:
        """Have something stand in for what is lacking."""
        self._look_again = None
        if not found.lacking:
            return
        for wanted, error in found.lacking.items():
            if not self._fetcher.is_coming(SegmentId(wanted.id)):
                log.error("segment_corrupt", reason=str(error))
        if self._files.shared is not None:
            self._look_again = _LookAgain(self._fetcher.num_settled, time.monotonic())
        known = [one.segment.chunk_ids for one in found.opened]
        missing = np.setdiff1d(list_chunk_ids(session, model), np.concatenate([_NONE, *known]))
        if self._can_bridge(model):
            missing = self._bridge(found.opened, missing)
        if len(missing):
            found.opened.append(self._stand_in(session, missing))

    def _bridge(self, opened: list[OpenSegment], missing: ChunkIds) -> ChunkIds:
        """Go on with segments that others took the place of; returns what those lack as well."""
        named = {one.segment.id for one in opened}
        for held in self._snapshot.segments:
            if held.segment.id == _STAND_IN or held.segment.id in named:
                continue
            # by the live rows: merging forgets the deletions that its new segment does not need
            live = np.isin(held.segment.chunk_ids, missing)
            if live.any():
                opened.append(OpenSegment(held.segment, live))
                missing = np.setdiff1d(missing, held.segment.chunk_ids)
        return missing

    def _stand_in(self, session: Session, missing: ChunkIds) -> OpenSegment:
        """What is in no segment that can be opened, from the rows."""
        for held in self._snapshot.segments:
            if held.segment.id == _STAND_IN and np.isin(missing, held.segment.chunk_ids).all():
                return OpenSegment(held.segment, np.isin(held.segment.chunk_ids, missing))
        segment = build_segment(_STAND_IN, load_content(session, missing))
        return OpenSegment.without(segment, _NONE)


@dataclass(frozen=True, slots=True)
class _LookAgain:
    """When something was lacking: what had been fetched by then."""

    num_settled: int
    since_s: float

    def is_due(self, fetcher: Fetcher) -> bool:
        """Whether something has come since, or much time has gone by."""
        waited_s = time.monotonic() - self.since_s
        return fetcher.num_settled != self.num_settled or waited_s > _LOOK_AGAIN_S


def _deleted_since(session: Session, generation: int) -> ChunkIds:
    query = select(DeletedChunkRow.chunk_id).where(DeletedChunkRow.generation > generation)
    return np.array(session.scalars(query.order_by(DeletedChunkRow.chunk_id)).all(), np.int64)


def _deleted_within(session: Session, segment: Segment) -> ChunkIds:
    query = select(DeletedChunkRow.chunk_id).where(
        DeletedChunkRow.chunk_id.between(*segment.chunk_ids[[0, -1]].tolist())
    )
    return np.array(session.scalars(query.order_by(DeletedChunkRow.chunk_id)).all(), np.int64)
