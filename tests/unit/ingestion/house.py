"""A whole ingestion in one folder, for tests: the real parts, with a fake embedder."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sqlalchemy import func, select

import migrations
from core.access import Access
from core.blobs import FolderBlobStore
from core.database import Database
from core.ids import CollectionId, SegmentId, VersionId
from core.segments import list_segments, load_segment
from core.settings import IngestionSettings
from core.tables import ChunkRow, DeletedChunkRow, SegmentRow, VersionRow
from ingestion.attempts import Attempt, Attempts, NoLongerWantedError
from ingestion.collections import Collections
from ingestion.documents import Documents
from ingestion.jobs import Jobs
from ingestion.media_types import detect_media_type
from ingestion.parsing.attachments import save_attachments
from ingestion.parsing.child import load_parser
from ingestion.parsing.document import ParsedDocument, ParseLimits
from ingestion.parsing.sandbox import OnTick, Sandbox
from ingestion.pipeline import Stages, ingest_document
from ingestion.store import Store
from ingestion.uploads import Accepted, OnConflict, Upload
from ingestion.work_lock import WorkLock
from ingestion.workers import Workers
from ingestion.workflow import IngestionWorker
from tests.databases import jobs_url_of, url_of
from tests.fakes import FakeEmbedder

EVERYTHING = Access.to_everything()
LIMITS = ParseLimits(
    # longer than `until` waits; a machine that is busy must not look like a file that stalls
    timeout_s=120.0,
    page_timeout_s=120.0,
    memory_bytes=4 << 30,
    max_text_chars=1_000_000,
    max_pages=100,
    max_image_pixels=20_000_000,
)


class DirectSandbox(Sandbox):
    """Parses in this process: fast, for tests that are not about the sandbox."""

    def parse(
        self,
        source: Path,
        media_type: str,
        *,
        folder: Path,
        on_tick: OnTick,
        password: str | None = None,
    ) -> ParsedDocument:
        """Parse at once."""
        parsed = load_parser(media_type, password)(source, LIMITS, on_tick)
        shutil.rmtree(folder / "attachments", ignore_errors=True)
        save_attachments(folder, parsed.attachments)
        return parsed


class HookedEmbedder(FakeEmbedder):
    """Calls back before every batch, and counts what it embeds."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Callable[[], None] = lambda: None
        self.num_texts = 0

    def embed_passages(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed N passages -> (N, D)."""
        self.before()
        self.num_texts += len(texts)
        return super().embed_passages(texts)


class House:
    """Everything that works on one data folder."""

    def __init__(self, data_dir: Path, *, url: str | None = None) -> None:
        self.data_dir = data_dir
        data_dir.mkdir(parents=True, exist_ok=True)
        self.database = Database(url or url_of(data_dir))
        migrations.upgrade(self.database)
        self.blobs = FolderBlobStore(data_dir / "blobs")
        self.store = Store.below(data_dir, self.database, self.blobs)
        self.documents = Documents(self.store)
        self.collections = Collections(self.store)
        self.jobs = Jobs(self.store)
        self.attempts = Attempts(self.store)
        self.embedder = HookedEmbedder()
        self.settings = IngestionSettings(embed_batch=4)
        self.jobs_url = url or jobs_url_of(data_dir)

    def stages(self, sandbox: Sandbox | None = None) -> Stages:
        """The steps, with parsing in this process unless a sandbox is given."""
        return Stages(self.store, sandbox or DirectSandbox(LIMITS), self.embedder, self.settings)

    def workers(self, *, timeout_s: float = 60.0) -> Workers:
        """Who works here, as a process of its own would see it."""
        return Workers(self.database, self.data_dir / "workers", timeout_s=timeout_s)

    def worker(
        self, sandbox: Sandbox | None = None, *, timeout_s: float = 60.0, num_documents: int = 2
    ) -> IngestionWorker:
        """A worker, in this process."""
        return IngestionWorker(
            self.jobs_url,
            self.store,
            self.stages(sandbox or Sandbox(LIMITS)),
            self.workers(timeout_s=timeout_s),
            WorkLock(self.data_dir),
            num_documents=num_documents,
        )

    def default(self) -> CollectionId:
        """Id of the collection `default`."""
        return self.collections.get("default", EVERYTHING).id

    def upload(
        self,
        name: str,
        data: bytes,
        *,
        on_conflict: OnConflict = OnConflict.REPLACE,
        collection_id: CollectionId | None = None,
        uploader: str = "",
        password: str | None = None,
    ) -> Accepted:
        """Receive a file as the API does."""
        with self.store.blobs.begin() as blob:
            blob.write(data)
            media_type = detect_media_type(blob.path, name)
            target = collection_id or self.default()
            upload = Upload(
                target,
                name,
                media_type,
                on_conflict=on_conflict,
                uploader=uploader,
                password=password,
            )
            return self.documents.accept(upload, blob)

    def ingest(self, accepted: Accepted, stages: Stages | None = None) -> None:
        """Work an upload off, here and now."""
        stages = stages or self.stages()
        ingest_document(attempt_of(accepted), stages)
        stages.clean(attempt_of(accepted))

    def add(
        self, name: str, data: bytes, *, on_conflict: OnConflict = OnConflict.REPLACE
    ) -> Accepted:
        """Upload and ingest."""
        accepted = self.upload(name, data, on_conflict=on_conflict)
        with suppress(NoLongerWantedError):
            self.ingest(accepted)
        return accepted

    def searchable_text(self) -> str:
        """Every text that a search could return now, read the way retrieval reads it."""
        return "\n".join(text for _, text in self.searchable_chunks())

    def searchable_chunks(self) -> list[tuple[int, str]]:
        """Live chunks with a vector in a named segment; fails where a vector is there twice."""
        with self.database.read_scope() as session:
            segments = session.execute(select(SegmentRow.id, SegmentRow.num_vectors)).all()
            deleted = set(session.scalars(select(DeletedChunkRow.chunk_id)))
            chunks = {
                row.id: row.text for row in session.execute(select(ChunkRow.id, ChunkRow.text))
            }
        ids: list[int] = []
        for name, num_vectors in segments:
            opened = load_segment(
                self.store.segments.root, SegmentId(name), num_vectors=num_vectors
            )
            ids += opened.chunk_ids.tolist()
        assert len(ids) == len(set(ids))
        assert not deleted & chunks.keys()
        assert chunks.keys() <= set(ids)
        return [(chunk_id, chunks[chunk_id]) for chunk_id in ids if chunk_id in chunks]

    def orphans(self) -> dict[str, int]:
        """What is on disk and no row knows of; every count should be 0."""
        with self.database.read_scope() as session:
            named = set(session.scalars(select(SegmentRow.id)))
            hashes = set(session.scalars(select(VersionRow.sha256)))
            versions = set(session.scalars(select(VersionRow.id)))
            chunks = session.scalar(
                select(func.count()).where(ChunkRow.version_id.not_in(versions))
            )
        return {
            "segments": len(list_segments(self.store.segments.root) - named),
            "blobs": len(set(self.store.blobs.list()) - hashes),
            "missing_blobs": len(hashes - set(self.store.blobs.list())),
            "staged": len(self.store.staging.list()),
            "incoming": len(list((self.data_dir / "blobs" / "incoming").iterdir())),
            "chunks": chunks or 0,
        }

    def close(self) -> None:
        """Close the database."""
        self.database.close()


NO_ORPHANS = dict.fromkeys(
    ("segments", "blobs", "missing_blobs", "staged", "incoming", "chunks"), 0
)


def attempt_of(accepted: Accepted) -> Attempt:
    """The attempt that an upload queued."""
    return Attempt(VersionId(accepted.job_id), accepted.attempt)
