"""Passages that differ among themselves: maximal marginal relevance over the vectors in SQL.

Carbonell and Goldstein 1998, doi 10.1145/290941.291025. Relevance and likeness are each stretched
over what was found, from 0 to 1: models differ in how near to one another they put everything.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.ids import ChunkId
from core.tables import ChunkRow, VersionRow
from core.types import Passage

Floats = npt.NDArray[np.float32]


def diversify(
    session: Session, passages: Sequence[Passage], *, diversity: float, top_k: int
) -> list[Passage]:
    """Pick `top_k`, one after the other: relevant to the question, and unlike those picked before.

    `diversity` 0 picks by score alone, 1 by unlikeness alone; the best passage always comes first.
    What has no vector that can be compared is like nothing.
    """
    likeness = _likeness(session, [passage.id for passage in passages])
    order = pick_diverse(
        np.array([passage.score for passage in passages], dtype=np.float32),
        likeness,
        diversity=diversity,
        num_wanted=top_k,
    )
    return [passages[index] for index in order]


def pick_diverse(
    relevance: Floats, likeness: Floats, *, diversity: float, num_wanted: int
) -> list[int]:
    """Indices in the order picked, from relevance (N,) and likeness (N, N)."""
    relevance = _stretch(relevance)
    among = ~np.eye(len(relevance), dtype=np.bool_)
    likeness = likeness.copy()
    likeness[among] = _stretch(likeness[among])
    worst = np.zeros(len(relevance), dtype=np.float32)  # likeness to the likest of those picked
    is_left = np.ones(len(relevance), dtype=np.bool_)
    picked: list[int] = []
    while is_left.any() and len(picked) < num_wanted:
        gain = (1 - diversity) * relevance - diversity * worst if picked else relevance
        best = int(np.argmax(np.where(is_left, gain, -np.inf)))  # the first of equals
        picked.append(best)
        is_left[best] = False
        worst = np.maximum(worst, likeness[best])
    return picked


def _stretch(values: Floats) -> Floats:
    if not values.size or (width := values.max() - values.min()) <= 0:
        return np.zeros_like(values)
    stretched: Floats = (values - values.min()) / width
    return stretched


def _likeness(session: Session, chunk_ids: Sequence[ChunkId]) -> Floats:
    """Cosines (N, N) of chunks; 0 where one is gone or of another model than most."""
    rows = session.execute(
        select(ChunkRow.id, ChunkRow.vector, VersionRow.embedding_model)
        .join(VersionRow, VersionRow.id == ChunkRow.version_id)
        .where(ChunkRow.id.in_(chunk_ids))
    ).all()
    if not rows:
        return np.zeros((len(chunk_ids), len(chunk_ids)), dtype=np.float32)
    ((model, _),) = Counter(row.embedding_model for row in rows).most_common(1)
    held = {row.id: row.vector for row in rows if row.embedding_model == model}
    num_dimensions = len(next(iter(held.values()))) // 2
    vectors = np.zeros((len(chunk_ids), num_dimensions), dtype=np.float32)  # (N, D)
    for place, chunk_id in enumerate(chunk_ids):
        if chunk_id in held:
            vectors[place] = np.frombuffer(held[chunk_id], dtype="<f2")
    likeness: Floats = vectors @ vectors.T
    return likeness
