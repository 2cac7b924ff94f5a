"""Where ingestion keeps things: the truth, the blobs, the segments and the staging folder."""

from dataclasses import dataclass
from pathlib import Path

from core.blobs import BlobStore
from core.database import Database
from ingestion.staging import Staging


@dataclass(frozen=True, slots=True)
class Store:
    """Everything that ingestion reads and writes, as one argument."""

    database: Database
    blobs: BlobStore
    segments_root: Path
    staging: Staging

    @classmethod
    def below(cls, data_dir: Path, database: Database, blobs: BlobStore) -> "Store":
        """The usual layout: `segments/` and `staging/` in the data folder."""
        return cls(database, blobs, data_dir / "segments", Staging(data_dir / "staging"))
