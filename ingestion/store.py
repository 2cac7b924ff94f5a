"""Where ingestion keeps things: the truth, the blobs, the segments and the staging folder."""

from dataclasses import dataclass
from pathlib import Path

from core.blobs import BlobStore
from core.database import Database
from core.segment_files import SegmentFiles
from ingestion.staging import Staging


@dataclass(frozen=True, slots=True)
class Store:
    """Everything that ingestion reads and writes, as one argument."""

    database: Database
    blobs: BlobStore
    segments: SegmentFiles
    staging: Staging

    @classmethod
    def below(
        cls,
        data_dir: Path,
        database: Database,
        blobs: BlobStore,
        published: BlobStore | None = None,
    ) -> "Store":
        """The usual layout: `segments/` and `staging/` in the data folder.

        `published` is where other machines take segments from.
        """
        segments = SegmentFiles(data_dir / "segments", published)
        return cls(database, blobs, segments, Staging(data_dir / "staging"))

    @property
    def data_dir(self) -> Path:
        """The folder of this machine that all of it is in, but for what is in stores elsewhere."""
        return self.segments.root.parent
