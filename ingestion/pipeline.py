"""A document to searchable chunks: the story of this room. Knows no queue."""

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import structlog
from sqlalchemy import select

from core.classifier import Classifier
from core.embedders import Embedders, LoadEmbedder, no_other_model
from core.embedding import Embedder
from core.errors import CimientoError
from core.ids import VersionId, WorkerId
from core.settings import IngestionSettings
from core.tables import DocumentRow, VersionRow
from ingestion.attempts import Again, Attempt, Attempts, NoLongerWantedError, Stage, job_error
from ingestion.chunking import ChunkSize, chunk, embedding_text
from ingestion.errors import NoTextFoundError, StageStalledError, WorkerGivenUpError
from ingestion.labels import classify_document
from ingestion.language import detect_language, detect_passage_language
from ingestion.parsing.attachments import list_attachments
from ingestion.parsing.document import ParsedDocument
from ingestion.parsing.sandbox import Sandbox
from ingestion.patience import patience_with
from ingestion.progress import Progress
from ingestion.publishing import ModelChangedError, Publication, publish
from ingestion.spans import ChunkPlan, ChunkSpan
from ingestion.staging import HalfVectors, StagedVersion
from ingestion.store import Store

log = structlog.get_logger()

StepRunner = Callable[[str, Callable[[], None]], None]
"""Runs a named step; a durable one remembers that it is done and does not run it twice."""


_ASK_EVERY_S: Final = 1.0
_STALL_KEYS: Final[dict[Stage, str]] = {
    "chunking": "CIMIENTO_INGESTION__CHUNK_STALL_S",
    "embedding": "CIMIENTO_INGESTION__EMBED_STALL_S",
    "publishing": "CIMIENTO_INGESTION__PUBLISH_STALL_S",
}


class WorkerStoppingError(BaseException):
    """The process is asked to stop; the work is left where it is and goes on at the next start.

    No `Exception`: nothing may take it for the outcome of the work.
    """


def run_directly(_name: str, step: Callable[[], None]) -> None:
    """The plainest step runner: runs the step."""
    step()


def ingest_document(
    attempt: Attempt, stages: "Stages", run_step: StepRunner = run_directly
) -> None:
    """Make one version searchable. Every step goes on from what it left on disk.

    Raises `NoLongerWantedError`, and the errors of `ingestion.errors`.
    """
    run_step("parse", lambda: stages.parse(attempt))
    run_step("chunk", lambda: stages.chunk(attempt))
    run_step("embed", lambda: stages.embed(attempt))
    run_step("publish", lambda: stages.publish(attempt))


def run_attempt(
    attempt: Attempt,
    stages: "Stages",
    worker_id: WorkerId,
    run_step: StepRunner = run_directly,
) -> Again | None:
    """Run the story to one end: searchable, failed with a reason, to be tried again after a pause,
    or dropped because nobody wants it any more or another worker holds it now.

    Returns what is to be tried again. Raises only `WorkerStoppingError`, and what keeps the end
    from being recorded.
    """
    again = None
    try:
        attempt = stages.take(attempt, worker_id)
        ingest_document(attempt, stages, run_step)
    except NoLongerWantedError:
        log.info("ingestion_dropped", version=attempt.version_id)
    except Exception as error:  # noqa: BLE001 - the worker loop classifies and records
        again = stages.fail(attempt, error)
    stages.clean(attempt)
    return again


@dataclass(frozen=True, slots=True)
class _Source:
    name: str
    sha256: str
    media_type: str


class Stages:
    """The four steps. Each may be cut short at any point and begun again."""

    def __init__(
        self,
        store: Store,
        sandbox: Sandbox,
        embedder: Embedder,
        settings: IngestionSettings,
        *,
        other_embedder: LoadEmbedder = no_other_model,
        classifiers: Sequence[Classifier] = (),
    ) -> None:
        self._classifiers = classifiers
        self._store = store
        self._attempts = Attempts(store)
        self._sandbox = sandbox
        self.embedders = Embedders(store.database, embedder, other_embedder)
        self._settings = settings
        self._stopping = threading.Event()
        # Embedding takes every core, and two at once finish no sooner: batch by batch, in turns.
        self._turn = threading.RLock()
        self._progress: dict[VersionId, Progress] = {}
        self._limits: dict[Stage, float] = {
            "chunking": settings.chunk_stall_s,
            "embedding": settings.embed_stall_s,
            "publishing": settings.publish_stall_s,
        }

    def stop(self) -> None:
        """Make running work raise `WorkerStoppingError` at its next breath."""
        self._stopping.set()

    def find_stalled(self) -> Iterator[tuple[Attempt, StageStalledError]]:
        """Work that stands still in this process, where only the end of the process ends it.

        Parsing is not among it: the sandbox watches its process, kills it, and the work fails by
        itself.
        """
        for progress in tuple(self._progress.values()):
            stage, still_s = progress.stage, progress.still_s
            if stage in self._limits and still_s > self._limits[stage]:
                limit = f"{self._limits[stage]:g} s ({_STALL_KEYS[stage]})"
                error = StageStalledError(f"{stage} made no progress for {limit}")
                yield progress.attempt, error

    def take(self, attempt: Attempt, worker_id: WorkerId) -> Attempt:
        """Hold the attempt from now on, with what an earlier holder left. See `Attempts.take`."""
        try:
            taken = self._attempts.take(attempt, worker_id)
        except WorkerGivenUpError as error:
            # no outcome of the work: it goes on elsewhere
            raise WorkerStoppingError from error
        if taken.lease is not None:
            self._store.staging.hand_over(taken.version_id, taken.lease)
        return taken

    def parse(self, attempt: Attempt) -> None:
        """Turn the file into text, unless that is done."""
        with self._stage(attempt) as staged:
            if staged.find_parsed() is None:
                self._parse(attempt, staged)

    def chunk(self, attempt: Attempt) -> None:
        """Cut the text into chunks, unless that is done. Raises `NoTextFoundError`."""
        with self._stage(attempt) as staged:
            if staged.find_chunks() is None:
                self._chunk(attempt, staged)

    def embed(self, attempt: Attempt) -> None:
        """Compute the vectors that are still missing, batch by batch."""
        with self._stage(attempt) as staged:
            parsed, plan = self._parsed(attempt, staged), self._plan(attempt, staged)
            embedder = self.embedders.get_serving()
            done = len(_load_vectors(staged, embedder))
            progress = self._progress[attempt.version_id]
            name = self._source(attempt).name
            tokens = embedder.tokens
            with self._try(attempt, staged, f"embedding from chunk {done}"):
                while done < len(plan.spans):
                    progress.report("embedding", done, len(plan.spans), "chunks")
                    self._breathe()
                    spans = plan.spans[done : done + self._settings.embed_batch]
                    texts = [embedding_text(name, span, parsed.text, tokens) for span in spans]
                    with self._its_turn(attempt):
                        vectors = embedder.embed_passages(texts)  # (B, D)
                    staged.append_vectors(embedder.model, done, vectors.astype(np.float16))
                    done += len(spans)
            progress.report("embedding", done, len(plan.spans), "chunks")

    def publish(self, attempt: Attempt) -> None:
        """Make the version searchable in place of older ones, at one instant."""
        with self._stage(attempt) as staged:
            embedder = self.embedders.get_serving()
            vectors = _load_vectors(staged, embedder)
            plan = self._plan(attempt, staged)
            while len(vectors) != len(plan.spans):
                # The staged vectors are gone or of another model; they come back by themselves.
                self.embed(attempt)
                embedder = self.embedders.get_serving()
                vectors = _load_vectors(staged, embedder)
            parsed = self._parsed(attempt, staged)
            self._progress[attempt.version_id].report("publishing", 0, len(vectors), "chunks")
            attachments = tuple(list_attachments(staged.folder))
            said = classify_document(self._classifiers, vectors, embedding_model=embedder.model)
            ready = Publication(attempt, parsed, plan, vectors, embedder.model, attachments, said)
            try:
                with self._try(attempt, staged, "publishing"):
                    publish(self._store, ready)
            except ModelChangedError:
                self.publish(attempt)
            else:
                log.info("document_searchable", version=attempt.version_id, chunks=len(vectors))

    def fail(self, attempt: Attempt, error: Exception) -> Again | None:
        """Record why the attempt failed, unless it came to another end before.

        Returns the next attempt where the error may go away by itself.
        """
        reason = job_error(error)
        again = self._attempts.try_again(attempt, reason, patience_with(error))
        if again is None:
            self._attempts.fail(attempt, reason)
        # A bug of ours is logged with its traceback; a bad file is not an event of the service.
        details: dict[str, object] = {} if isinstance(error, CimientoError) else {"exc_info": error}
        details["again_in_s"] = again and again.pause_s
        log.warning("ingestion_failed", version=attempt.version_id, code=reason.code, **details)
        return again

    def clean(self, attempt: Attempt) -> None:
        """Remove what was staged for work that came to its end."""
        # A retry may have been queued meanwhile; what is staged is its own then.
        if not self._attempts.is_open(attempt.version_id):
            self._store.staging.remove(attempt.version_id)

    @contextlib.contextmanager
    def _stage(self, attempt: Attempt) -> Iterator[StagedVersion]:
        self._attempts.begin(attempt)
        staged = self._store.staging.of(attempt.version_id, attempt.lease)
        staged.create()
        outer = self._progress.get(attempt.version_id)
        self._progress[attempt.version_id] = outer or Progress(self._attempts, attempt)
        try:
            yield staged
        except FileNotFoundError:
            # Deletion, cancelling and a takeover remove the folder under running work.
            self._attempts.begin(attempt)
            raise
        finally:
            if outer is None:
                del self._progress[attempt.version_id]
            if staged.folder.is_dir():
                staged.forget_tries()

    @contextlib.contextmanager
    def _try(self, attempt: Attempt, staged: StagedVersion, point: str) -> Iterator[None]:
        """Count the try at this point, in case it ends the process.

        A document that was in hand when a process ended goes on in its turn only: when the guilty
        one strikes again, no other is counted with it.
        """
        with self._its_turn(attempt) if staged.is_suspect else contextlib.nullcontext():
            staged.count_try(point)
            yield

    @contextlib.contextmanager
    def _its_turn(self, attempt: Attempt) -> Iterator[None]:
        while not self._turn.acquire(timeout=_ASK_EVERY_S):
            self._breathe()
            self._attempts.begin(attempt)
            self._progress[attempt.version_id].wait()
        try:
            yield
        finally:
            self._turn.release()

    def _parse(self, attempt: Attempt, staged: StagedVersion) -> ParsedDocument:
        with self._try(attempt, staged, "parsing"):
            return self._parse_once(attempt, staged)

    def _parse_once(self, attempt: Attempt, staged: StagedVersion) -> ParsedDocument:
        for left in staged.folder.glob("parse-*"):
            shutil.rmtree(left, ignore_errors=True)
        progress = self._progress[attempt.version_id]
        source = self._source(attempt)

        def on_tick(done: int, total: int | None) -> None:
            self._breathe()
            progress.report("parsing", done, total, "pages" if total else None)

        on_tick(0, None)
        with self._store.blobs.local_file(source.sha256, staged.folder) as path:
            parsed = self._sandbox.parse(
                path,
                source.media_type,
                folder=staged.folder,
                on_tick=on_tick,
                password=staged.find_password(),
            )
        staged.save_parsed(parsed)
        staged.forget_password()
        return parsed

    def _chunk(self, attempt: Attempt, staged: StagedVersion) -> ChunkPlan:
        parsed = self._parsed(attempt, staged)
        self._progress[attempt.version_id].report("chunking", 0, None, None)
        size = ChunkSize(self._settings.chunk_tokens, self._settings.chunk_overlap_tokens)
        with self._try(attempt, staged, "chunking"):
            spans = chunk(parsed, self.embedders.wanted.tokens, size)
        if not spans:
            raise NoTextFoundError("the file has no words, only marks and spaces")
        language = detect_language(parsed.text)
        plan = ChunkPlan(language, tuple(_with_language(spans, parsed.text, language)))
        staged.save_chunks(plan)
        return plan

    def _parsed(self, attempt: Attempt, staged: StagedVersion) -> ParsedDocument:
        return staged.find_parsed() or self._parse(attempt, staged)

    def _plan(self, attempt: Attempt, staged: StagedVersion) -> ChunkPlan:
        return staged.find_chunks() or self._chunk(attempt, staged)

    def _source(self, attempt: Attempt) -> _Source:
        query = (
            select(DocumentRow.name, VersionRow.sha256, VersionRow.media_type)
            .join(DocumentRow, DocumentRow.id == VersionRow.document_id)
            .where(VersionRow.id == attempt.version_id)
        )
        with self._store.database.read_scope() as session:
            row = session.execute(query).one_or_none()
        if row is None:
            raise NoLongerWantedError(attempt.workflow_id)
        return _Source(row.name, row.sha256, row.media_type)

    def _breathe(self) -> None:
        if self._stopping.is_set():
            raise WorkerStoppingError


def _load_vectors(staged: StagedVersion, embedder: Embedder) -> HalfVectors:
    return staged.load_vectors(embedder.model, embedder.num_dimensions)


def _with_language(
    spans: Iterable[ChunkSpan], text: str, language: str | None
) -> Iterator[ChunkSpan]:
    for span in spans:
        own = detect_passage_language(text[span.start : span.end], document=language)
        yield replace(span, language=own)
