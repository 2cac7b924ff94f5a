"""Replace segments by better ones: merge, mend, rebuild. For the holder of the index lock.

The new segment is whole on disk before one transaction names it in place of the old ones, whose
folders go after it. A crash at any point leaves at most folders that no manifest names. Readers
that have an old segment open keep its files; those about to open it see that the manifest moved.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from core.database import Database
from core.errors import SegmentCorruptError
from core.ids import SegmentId, new_id
from core.locks import database_lock, file_lock
from core.merge_plan import MAX_VECTORS, SegmentSize
from core.segment_building import VectorColumns, build_columns
from core.segment_files import SegmentFiles
from core.segments import Segment, Vectors
from core.tables import DeletedChunkRow, ManifestRow, SegmentRow, VersionRow
from core.vectors import Numbers, list_chunk_ids, list_collections, load_content

Plan = Callable[[Sequence[SegmentSize]], list[SegmentId]]

_IDS_AT_ONCE: Final = 500
_DOING: Final = "keeps the index"
# Any constant: it names the lock on PostgreSQL.
_LOCK: Final = 0x43494D49_0001
_NONE: Final = np.zeros(0, dtype=np.int64)


class OutdatedMergeError(Exception):
    """Somebody else replaced the segments meanwhile: nothing was changed."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where segments are made. `check` is called now and then, and may raise to end the work."""

    database: Database
    files: SegmentFiles
    num_threads: int = 1
    check: Callable[[], None] = lambda: None

    @contextmanager
    def lock(self, *, wait_s: float = 0.0) -> Iterator[None]:
        """What whoever replaces or sweeps segments must hold. Raises `AlreadyRunningError`."""
        path = self.files.root.parent / "index.lock"
        with (
            file_lock(path, doing=_DOING, wait_s=wait_s),
            # machines with folders of their own have the database in common
            database_lock(self.database.engine, _LOCK, doing=_DOING, wait_s=wait_s),
        ):
            yield


@dataclass(frozen=True, slots=True)
class Replaced:
    """What was done: how many segments gave way to how many, with how many vectors."""

    num_old: int
    num_new: int
    num_vectors: int


def merge_once(shop: Workshop, plan: Plan) -> Replaced | None:
    """Merge what `plan` chooses among the segments of one model; None where it chooses nothing.

    Raises `SegmentCorruptError` where a chosen one cannot be read.
    """
    with shop.database.read_scope() as session:
        rows = session.scalars(select(SegmentRow).order_by(SegmentRow.id)).all()
        deleted = _deleted_ids(session)
    for model in sorted({row.embedding_model for row in rows}):
        of_model = {SegmentId(row.id): row for row in rows if row.embedding_model == model}
        sizes = [_size(shop.files, row, deleted) for row in of_model.values()]
        chosen = plan([size for size in sizes if size is not None])
        if chosen:
            return _merge(shop, [of_model[name] for name in chosen], deleted)
    return None


def mend(shop: Workshop) -> Replaced | None:
    """Rebuild, from the rows, what damaged segments should hold; None where none is damaged."""
    with shop.database.read_scope() as session:
        rows = session.scalars(select(SegmentRow).order_by(SegmentRow.id)).all()
    # no session is held while they are looked at: what is not here is fetched
    unsound = {row.id for row in rows if not _is_sound(shop.files, row)}
    if not unsound:
        return None
    with shop.database.read_scope() as session:
        rows = session.scalars(select(SegmentRow).order_by(SegmentRow.id)).all()
        damaged = [row for row in rows if row.id in unsound]
        if not damaged:
            return None  # replaced meanwhile
        model = damaged[0].embedding_model
        damaged = [row for row in damaged if row.embedding_model == model]
        sound = [row for row in rows if row.embedding_model == model and row not in damaged]
        held = [_ids_of(shop.files, row) for row in sound]
        missing = np.setdiff1d(list_chunk_ids(session, model), np.concatenate([_NONE, *held]))
        return _write_rows(shop, session, missing, model, damaged)


def publish_missing(shop: Workshop) -> int:
    """Pack into the store what is in none, if there is a store; returns how many segments were.

    Those that were made before there was a store, or by a version of this code that knew of none.
    """
    if shop.files.shared is None:
        return 0
    with shop.database.read_scope() as session:
        query = select(SegmentRow.id).where(SegmentRow.sha256.is_(None)).order_by(SegmentRow.id)
        names = [SegmentId(name) for name in session.scalars(query)]
    for name in names:
        shop.check()
        sha256 = shop.files.publish(name)
        with shop.database.session_scope() as session:
            session.execute(update(SegmentRow).where(SegmentRow.id == name).values(sha256=sha256))
    return len(names)


def rebuild(shop: Workshop, embedding_model: str) -> Replaced:
    """Write every live vector of the model anew, from the rows, in place of all its segments."""
    with shop.database.read_scope() as session:
        query = select(SegmentRow).where(SegmentRow.embedding_model == embedding_model)
        rows = session.scalars(query.order_by(SegmentRow.id)).all()
        live = list_chunk_ids(session, embedding_model)
        return _write_rows(shop, session, live, embedding_model, rows)


def rebuild_all(shop: Workshop) -> list[Replaced]:
    """Rebuild the segments of every model that has any, or should have."""
    with shop.database.read_scope() as session:
        live = select(VersionRow.embedding_model).where(VersionRow.state == "searchable")
        models = {*session.scalars(live), *session.scalars(select(SegmentRow.embedding_model))}
    return [rebuild(shop, model) for model in sorted(filter(None, models))]


def _merge(shop: Workshop, rows: Sequence[SegmentRow], deleted: Numbers) -> Replaced:
    segments = [shop.files.load(row) for row in rows]
    live = [~np.isin(segment.chunk_ids, deleted) for segment in segments]
    dropped = [one.chunk_ids[~alive] for one, alive in zip(segments, live, strict=True)]
    made: list[tuple[Segment, str]] = []
    if any(alive.any() for alive in live):
        columns = _columns_of(segments, live)
        made.append((_build(shop, columns), rows[0].embedding_model))
    return _replace(shop, rows, made, np.concatenate(dropped))


def _columns_of(
    segments: Sequence[Segment], live: Sequence[npt.NDArray[np.bool_]]
) -> VectorColumns:
    names = tuple(sorted({name for one in segments for name in one.collection_ids}))
    codes = [
        np.array([names.index(name) for name in one.collection_ids], dtype=np.int32)[
            one.collection_codes
        ]
        for one in segments
    ]
    positions = [np.flatnonzero(alive) for alive in live]
    chunk_ids = np.concatenate(
        [one.chunk_ids[kept] for one, kept in zip(segments, positions, strict=True)]
    )
    order = np.argsort(chunk_ids)
    sources = np.repeat(np.arange(len(segments)), [len(kept) for kept in positions])[order]
    places = np.concatenate(positions)[order]

    def read(wanted: npt.NDArray[np.intp]) -> Vectors:
        vectors = np.empty((len(wanted), segments[0].index.d), dtype=np.float32)
        for source, segment in enumerate(segments):
            rows = np.flatnonzero(sources[wanted] == source)
            if len(rows):
                vectors[rows] = segment.index.reconstruct_batch(places[wanted[rows]])
        return vectors

    kept_codes = np.concatenate([code[kept] for code, kept in zip(codes, positions, strict=True)])
    return VectorColumns(chunk_ids[order], kept_codes[order], names, read)


def _write_rows(
    shop: Workshop, session: Session, chunk_ids: Numbers, model: str, old: Sequence[SegmentRow]
) -> Replaced:
    # Read before the vectors are: a chunk that is deleted meanwhile must stay masked.
    lost = _lost(shop, session, old)
    made = [
        (_build(shop, _columns_in_sql(session, chunk_ids[start : start + MAX_VECTORS])), model)
        for start in range(0, len(chunk_ids), MAX_VECTORS)
    ]
    return _replace(shop, old, made, lost)


def _columns_in_sql(session: Session, chunk_ids: Numbers) -> VectorColumns:
    owners = list_collections(session, chunk_ids)
    names = tuple(sorted(set(owners)))
    code_of = {name: code for code, name in enumerate(names)}
    codes = np.array([code_of[name] for name in owners], dtype=np.int32)

    def read(wanted: npt.NDArray[np.intp]) -> Vectors:
        return load_content(session, chunk_ids[wanted]).vectors

    return VectorColumns(chunk_ids, codes, names, read)


def _build(shop: Workshop, columns: VectorColumns) -> Segment:
    name = SegmentId(new_id("seg"))
    return build_columns(name, columns, num_threads=shop.num_threads, check=shop.check)


def _replace(
    shop: Workshop, old: Sequence[SegmentRow], made: Sequence[tuple[Segment, str]], dropped: Numbers
) -> Replaced:
    """Name the new segments in place of the old; forget the deletions that no segment needs."""
    old_ids = [row.id for row in old]
    blobs: dict[SegmentId, str | None] = {}
    try:
        for segment, _ in made:
            blobs[segment.id] = shop.files.save(segment)
        with shop.database.session_scope() as session:
            _check_current(session, old_ids)
            session.execute(delete(SegmentRow).where(SegmentRow.id.in_(old_ids)))
            session.add_all(
                SegmentRow(
                    id=segment.id,
                    embedding_model=model,
                    num_vectors=len(segment.chunk_ids),
                    num_dimensions=segment.index.d,
                    sha256=blobs[segment.id],
                )
                for segment, model in made
            )
            _forget(session, dropped, {row.embedding_model for row in old})
            session.execute(update(ManifestRow).values(generation=ManifestRow.generation + 1))
    except BaseException:
        drop_unnamed(shop, blobs)
        raise
    for row in old:
        shop.files.delete(SegmentId(row.id), row.sha256)
    return Replaced(len(old), len(made), sum(len(segment.chunk_ids) for segment, _ in made))


def _check_current(session: Session, segment_ids: Sequence[str]) -> None:
    named = select(func.count()).where(SegmentRow.id.in_(segment_ids))
    if session.scalar(named) != len(segment_ids):
        raise OutdatedMergeError


def _forget(session: Session, dropped: Numbers, models: set[str]) -> None:
    # While two models have segments, the other's may hold the same chunks.
    others = select(func.count()).where(SegmentRow.embedding_model.not_in(models))
    if session.scalar(others):
        return
    forget_deletions(session, dropped)


def forget_deletions(session: Session, chunk_ids: Numbers) -> None:
    """Stop masking chunks whose vectors are in no segment any more."""
    for start in range(0, len(chunk_ids), _IDS_AT_ONCE):
        ids = chunk_ids[start : start + _IDS_AT_ONCE].tolist()
        session.execute(delete(DeletedChunkRow).where(DeletedChunkRow.chunk_id.in_(ids)))


def _lost(shop: Workshop, session: Session, old: Sequence[SegmentRow]) -> Numbers:
    """The deletions that only the old segments needed."""
    old_ids = {row.id for row in old}
    kept = [row for row in session.scalars(select(SegmentRow)) if row.id not in old_ids]
    held = [_ids_of(shop.files, row) for row in kept]
    return np.setdiff1d(_deleted_ids(session), np.concatenate([_NONE, *held]))


def drop_unnamed(shop: Workshop, blobs: Mapping[SegmentId, str | None]) -> None:
    """Remove those of the segments, each with its blob, that no manifest names."""
    # asked, not assumed: a commit can succeed and still raise, when the connection breaks
    with shop.database.read_scope() as session:
        query = select(SegmentRow.id).where(SegmentRow.id.in_(blobs))
        named = set(session.scalars(query))
    for name in blobs.keys() - named:
        shop.files.delete(name, blobs[name])


def _deleted_ids(session: Session) -> Numbers:
    query = select(DeletedChunkRow.chunk_id).order_by(DeletedChunkRow.chunk_id)
    return np.array(session.scalars(query).all(), dtype=np.int64)


def _ids_of(files: SegmentFiles, row: SegmentRow) -> Numbers:
    return files.load(row).chunk_ids


def _size(files: SegmentFiles, row: SegmentRow, deleted: Numbers) -> SegmentSize | None:
    try:
        num_deleted = len(files.load(row).positions_of(deleted))
    except SegmentCorruptError:
        return None  # `mend` is for it
    return SegmentSize(SegmentId(row.id), row.num_vectors, num_deleted)


def _is_sound(files: SegmentFiles, row: SegmentRow) -> bool:
    try:
        files.load(row)
    except SegmentCorruptError:
        return False
    return True
