"""Passages for tests that need no library."""

from core.ids import ChunkId, CollectionId, DocumentId, VersionId
from core.types import Passage


def passage(text: str, *, number: int = 1, score: float = 0.0) -> Passage:
    """A passage of a document of its own."""
    return Passage(
        id=ChunkId(number),
        document_id=DocumentId(f"doc_{number}"),
        document_name=f"{number}.txt",
        version_id=VersionId(f"ver_{number}"),
        version=1,
        collection_id=CollectionId("col"),
        collection="default",
        page=None,
        start=0,
        end=len(text),
        heading="",
        text=text,
        score=score,
    )
