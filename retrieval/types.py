"""What retrieval takes and gives, besides `core.types.Passage`. Plain data."""

from dataclasses import dataclass

from core.ids import ChunkId


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk id and the score it was found with."""

    chunk_id: ChunkId
    score: float
