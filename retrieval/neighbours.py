"""Chunks that stand side by side in one section, as one passage: a slice of the stored text."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import groupby
from operator import attrgetter

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from core.ids import ChunkId, VersionId
from core.tables import ChunkRow, VersionTextRow
from core.types import Passage


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A chunk's place. Of one section are chunks of one version under one heading."""

    id: ChunkId
    version_id: VersionId
    ordinal: int
    start: int
    end: int
    page: int | None
    heading: str
    table_header: str | None


@dataclass(frozen=True, slots=True)
class _Run:
    """A passage, and the chunks in a row that it is to consist of."""

    passage: Passage
    chunks: tuple[_Chunk, ...]

    def touches(self, other: "_Run") -> bool:
        """Whether both together are one row of chunks of one section."""
        mine, others = self.chunks[0], other.chunks[0]
        return (
            (mine.version_id, mine.heading) == (others.version_id, others.heading)
            and mine.ordinal <= other.chunks[-1].ordinal + 1
            and others.ordinal <= self.chunks[-1].ordinal + 1
        )

    def joined(self, other: "_Run") -> "_Run":
        """Both together, as the passage of this one."""
        chunks = {chunk.ordinal: chunk for chunk in (*self.chunks, *other.chunks)}
        return replace(self, chunks=tuple(chunks[ordinal] for ordinal in sorted(chunks)))


def join_neighbours(
    session: Session, passages: Sequence[Passage], *, num_around: int
) -> list[Passage]:
    """Join passages that stand side by side in a section, each with `num_around` chunks around it.

    The joined passage keeps the id, the scores and the turn of the best of them; its text is the
    stored text from its `start` to its `end`. What was deleted meanwhile is left out.
    """
    around = _load_around(session, passages, num_around)
    runs: list[_Run] = []
    for passage in passages:
        chunks = _in_a_row(around.get(passage.id, []), passage.id)
        if not chunks:
            continue
        run = _Run(passage, chunks)
        touched = [other for other in runs if other.touches(run)]
        # the first of them is the best; a run may close the gap between two others
        turn = runs.index(touched[0]) if touched else len(runs)
        runs = [other for other in runs if other not in touched]
        runs.insert(turn, reduce(_Run.joined, [*touched, run]))
    joined = [_passage(session, run) for run in runs]
    return [passage for passage in joined if passage is not None]


def _load_around(
    session: Session, passages: Sequence[Passage], num_around: int
) -> dict[ChunkId, list[_Chunk]]:
    """The chunks at most so far from each passage, in reading order."""
    near = aliased(ChunkRow)
    rows = session.execute(
        select(
            ChunkRow.id.label("of"),
            near.id,
            near.version_id,
            near.ordinal,
            near.start,
            near.end,
            near.page,
            near.heading,
            near.table_header,
        )
        .join(near, near.version_id == ChunkRow.version_id)
        .where(ChunkRow.id.in_([passage.id for passage in passages]))
        .where(near.ordinal.between(ChunkRow.ordinal - num_around, ChunkRow.ordinal + num_around))
        .order_by(near.ordinal)
    )
    around: dict[ChunkId, list[_Chunk]] = {}
    for row in rows:
        chunk = _Chunk(
            id=ChunkId(row.id),
            version_id=VersionId(row.version_id),
            ordinal=row.ordinal,
            start=row.start,
            end=row.end,
            page=row.page,
            heading=row.heading,
            table_header=row.table_header,
        )
        around.setdefault(ChunkId(row.of), []).append(chunk)
    return around


def _in_a_row(chunks: Sequence[_Chunk], middle: ChunkId) -> tuple[_Chunk, ...]:
    """Those of the middle one's section that nothing of another section parts from it."""
    for _, section in groupby(chunks, key=attrgetter("heading")):
        row = tuple(section)
        if any(chunk.id == middle for chunk in row):
            return row
    return ()


def _passage(session: Session, run: _Run) -> Passage | None:
    if len(run.chunks) == 1:
        return run.passage
    first = run.chunks[0]
    end = max(chunk.end for chunk in run.chunks)
    text = session.scalar(
        select(func.substr(VersionTextRow.text, first.start + 1, end - first.start)).where(
            VersionTextRow.version_id == run.passage.version_id
        )
    )
    if text is None:
        return None
    return replace(
        run.passage,
        text=text,
        start=first.start,
        end=end,
        page=first.page,
        table_header=first.table_header,
    )
