"""Documents and vectors in bulk, as Ray Data jobs. The only module that knows Ray Data.

Ray hands work out and hands it out again where a machine was lost. What was done is in the truth:
each round asks it what is left, so that a round may end anyhow, and a killed run begins again.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import ray
import ray.data
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from sqlalchemy import select

from app.fleet.errors import FleetFailedError, FleetNotPossibleError
from app.fleet.ingesting import BulkIngester
from app.wiring import (
    build_database,
    build_embedder,
    build_stages,
    build_store,
    build_workers,
)
from core.embedding import Embedder
from core.ids import VersionId
from core.logs import configure_logs
from core.merging import Workshop
from core.settings import Settings, load_settings
from core.tables import CollectionRow
from ingestion.attempts import Attempt, Attempts
from ingestion.collections import DEFAULT_COLLECTION
from ingestion.reembedding import Missing, find_missing, keep_vectors
from ingestion.work_lock import WorkLock
from ingestion.workers import Workers

_PAUSE_S: Final = 1.0
_MAX_BLOCKS: Final = 256
_ROUND_CHUNKS: Final = 8192
_BATCH_CHUNKS: Final = 64
_CHECK_WITHIN_S: Final = 600.0

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spread:
    """How many workers there are at most, and how many processors each has."""

    max_workers: int
    cpus_each: int = 1


@dataclass(frozen=True, slots=True)
class _Place:
    """Where this machine's truth is: `marker` is a file in its data folder."""

    database: str
    store: str | None
    marker: str


class DocumentWorker:
    """What Ray Data makes of a `BulkIngester`, once a process of its own."""

    def __init__(self, num_threads: int) -> None:
        settings = load_settings()
        configure_logs(settings.log)
        database = build_database(settings)
        store = build_store(settings, database)
        embedder = build_embedder(settings, num_threads=num_threads)
        self._ingester = BulkIngester(
            Attempts(store),
            build_stages(settings, store, embedder),
            build_workers(settings, database),
            WorkLock(settings.data_dir),
            # not `sys.exit`, which ends a thread: Ray starts another process and hands the work out
            die=partial(os._exit, 1),
        )

    def __call__(self, row: Row) -> Row:
        """Work one attempt off."""
        outcome = self._ingester.ingest(Attempt(VersionId(row["version_id"]), row["number"]))
        again_in_s = -1.0 if outcome.again_in_s is None else outcome.again_in_s
        return {"version_id": outcome.version_id, "again_in_s": again_in_s}


class VectorWorker:
    """Embeds texts; needs the model's files and nothing else of ours."""

    def __init__(self, model: str, num_threads: int) -> None:
        self._embedder = build_embedder(load_settings(), model, num_threads=num_threads)

    def __call__(self, batch: Mapping[str, Any]) -> Row:
        """(N,) texts -> (N, D) float16 vectors, with the ids that came along."""
        vectors = self._embedder.embed_passages([str(text) for text in batch["text"]])
        return {"chunk_id": batch["chunk_id"], "vector": vectors.astype(np.float16)}


def check_shared(settings: Settings) -> None:
    """Raise FleetNotPossibleError unless every machine has the database of this one, and its store
    or, without one, its data folder.
    """
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    if settings.database_url.startswith("sqlite") and len(nodes) > 1:
        raise FleetNotPossibleError(
            f"the cluster has {len(nodes)} machines and the database is SQLite, which is one "
            "machine's; set CIMIENTO_DATABASE__URL to PostgreSQL, the same on every machine"
        )
    marker = settings.data_dir / f"fleet-{os.getpid()}.mark"
    marker.touch()
    ours = _Place(_identity(settings), settings.blobs.url, marker.name)
    look = ray.remote(num_cpus=0)(_compare)
    try:
        for node in nodes:
            there = NodeAffinitySchedulingStrategy(node, soft=False)
            looking = look.options(scheduling_strategy=there).remote(ours)
            if fault := ray.get(looking, timeout=_CHECK_WITHIN_S):
                raise FleetNotPossibleError(fault)
    except RayError as error:
        raise FleetFailedError(f"not every machine of the cluster answers: {error}") from error
    finally:
        marker.unlink(missing_ok=True)


def check_alone(workers: Workers) -> None:
    """Raise FleetNotPossibleError while ingestion workers live.

    They keep the index to the model of their own settings, and would undo another.
    """
    if living := workers.find_living():
        raise FleetNotPossibleError(
            f"{len(living)} ingestion workers live, which keep the index to the model of their "
            "settings; stop them, and start them with the new model afterwards"
        )


def ingest_open(
    attempts: Attempts, workers: Workers, spread: Spread, stopping: threading.Event
) -> None:
    """Work off, in rounds, what is open and nobody's, until told to stop.

    Raises FleetFailedError.
    """
    # when an attempt at a version may begin, where that is later
    not_before_s: dict[VersionId, float] = {}
    while not stopping.is_set():
        moment = time.monotonic()
        due = [
            attempt
            for attempt in _list_free(attempts, workers)
            if not_before_s.get(attempt.version_id, moment) <= moment
        ]
        for row in _hand_out(due, spread):
            if row["again_in_s"] >= 0:
                not_before_s[row["version_id"]] = time.monotonic() + row["again_in_s"]
        stopping.wait(_PAUSE_S)


def _list_free(attempts: Attempts, workers: Workers) -> list[Attempt]:
    """Attempts that wait, and those whose worker is dead."""
    held, living = attempts.list_open(("running",)), workers.find_living()
    left = [attempt for attempt in held if attempts.find_holder(attempt) not in living]
    return attempts.list_open(("queued",)) + left


def embed_missing(spread: Spread, shop: Workshop, embedder: Embedder) -> None:
    """Embed, all over the cluster, what has no vector of this model; keep each batch as it comes.

    Only this process reads and writes the truth. Raises FleetFailedError.
    """
    while missing := find_missing(shop, embedder, limit=_ROUND_CHUNKS):
        for batch in _embed(missing, embedder.model, spread):
            keep_vectors(shop, embedder.model, batch["chunk_id"].tolist(), batch["vector"])


def _hand_out(attempts: Sequence[Attempt], spread: Spread) -> Iterator[Row]:
    if not attempts:
        return
    rows = [{"version_id": each.version_id, "number": each.number} for each in attempts]
    # a block is what is done again where its machine is lost
    blocks = min(len(rows), _MAX_BLOCKS)
    dataset = _quiet(ray.data.from_items(rows, override_num_blocks=blocks))
    done = dataset.map(
        DocumentWorker,
        fn_constructor_args=(spread.cpus_each,),
        num_cpus=spread.cpus_each,
        compute=_pool(spread, blocks),
    )
    yield from _followed(done.iter_rows)


def _embed(missing: Missing, model: str, spread: Spread) -> Iterator[Row]:
    rows = [
        {"chunk_id": chunk_id, "text": text}
        for chunk_id, text in zip(missing.chunk_ids, missing.texts, strict=True)
    ]
    blocks = -(-len(rows) // _BATCH_CHUNKS)
    dataset = _quiet(ray.data.from_items(rows, override_num_blocks=blocks))
    done = dataset.map_batches(
        VectorWorker,
        fn_constructor_args=(model, spread.cpus_each),
        num_cpus=spread.cpus_each,
        compute=_pool(spread, blocks),
    )
    yield from _followed(partial(done.iter_batches, batch_size=None))


def _pool(spread: Spread, blocks: int) -> ray.data.ActorPoolStrategy:
    size = min(spread.max_workers, blocks)
    return ray.data.ActorPoolStrategy(size=size, max_tasks_in_flight_per_actor=2)


def _quiet(dataset: ray.data.Dataset) -> ray.data.Dataset:
    dataset.context.enable_progress_bars = False
    return dataset


def _followed(begin: Callable[[], Iterator[Row]]) -> Iterator[Row]:
    try:
        yield from begin()
    except RayError as error:
        raise FleetFailedError(f"the cluster gave the work up: {error}") from error


def _identity(settings: Settings) -> str:
    # the collection that every database has from its beginning, and never loses
    query = select(CollectionRow.id).where(CollectionRow.name == DEFAULT_COLLECTION)
    database = build_database(settings)
    try:
        with database.read_scope() as session:
            return session.scalars(query).one()
    finally:
        database.close()


def _compare(ours: _Place) -> str | None:
    """On another machine: what keeps it from working on the same truth."""
    settings = load_settings()
    machine = ray.util.get_node_ip_address()
    if settings.blobs.url != ours.store:
        return f"{machine} has another store; set the same CIMIENTO_BLOBS__URL everywhere"
    if ours.store is None and not (settings.data_dir / ours.marker).is_file():
        return (
            f"{machine} has another data folder ({settings.data_dir}); set CIMIENTO_BLOBS__URL, or "
            "let CIMIENTO_DATA_DIR be one shared file system on every machine"
        )
    if _identity(settings) != ours.database:
        return f"{machine} has another database; set the same CIMIENTO_DATABASE__URL everywhere"
    return None
