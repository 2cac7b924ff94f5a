"""Text sets as files of rows, and their paragraphs as passages. Measures nothing."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from core.ids import ChunkId, CollectionId, DocumentId, VersionId
from core.types import Passage


def read_rows(path: Path) -> Iterable[dict[str, Any]]:
    """The objects of a JSON Lines file."""
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def build_passage(name: str, text: str) -> Passage:
    """A paragraph as if it had been retrieved from a document of that name, which is no more.

    Two of one name are two documents: in one they would stand over each other.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Passage(
        id=ChunkId(0),
        document_id=DocumentId(digest),
        document_name=name,
        version_id=VersionId(digest),
        version=1,
        collection_id=CollectionId("c"),
        collection="default",
        page=None,
        start=0,
        end=len(text),
        heading="",
        text=text,
        score=0.0,
    )
