"""The composition root: the only module that constructs adapters. Decides nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from app.active_prompts import ActivePrompts
from app.adapters import Adapters
from app.answers import Answers
from app.blob_stores import build_blobs, build_published
from app.calibrations import Calibrations
from app.choosing_examples import ExampleChooser
from app.classifying import load_classifiers, load_router
from app.conversations import Conversations
from app.examples import Examples
from app.feedback import Feedback
from app.finding_models import find_answer_model, find_embedding_model, served_name
from app.forgetting import ForgettingGenerator
from app.idempotency import Idempotency
from app.judging_models import build_pointer, build_reranker, build_reward
from app.kept_questions import KeptQuestions
from app.metrics import Metrics, build_metrics
from app.people.doors import Doors
from app.people.identities import Identities
from app.people.passwords import Passwords
from app.people.provider import Provider
from app.people.provider_sign_in import ProviderSignIn
from app.people.shared_windows import SharedWindows
from app.people.throttle import Throttle
from app.processes.channel import Seat
from app.prompts import Prompts, check_prompts
from app.running_answers import RunningAnswers
from app.services import Services
from app.tracing import build_tracing
from app.webhooks.addresses import AddressCheck
from app.webhooks.delivering import Deliverer
from app.webhooks.sending import Sender
from app.webhooks.store import Webhooks
from core.database import Database
from core.embedding import Embedder
from core.local_embedder import LocalEmbedder
from core.settings import ADAPTERS_FOLDER, Settings
from core.verify import Check, check_answers, check_evaluations, check_examples, check_published
from core.webhook_settings import networks_of
from generation.engine_metrics import FindStats
from generation.evidence import EvidenceRanker
from generation.extracting import NO_POINTER, Pointer
from generation.extractor import Extractor
from generation.generator import Generator
from generation.local import LocalGenerator
from generation.pool import GeneratorPool
from generation.reward import BUILT_IN_REWARD, Reward
from generation.trained_reward import TrainedReward
from generation.weights import find_adapter
from ingestion.attempts import Attempts
from ingestion.collections import Collections
from ingestion.document_labels import DocumentLabels
from ingestion.documents import Documents
from ingestion.jobs import Jobs
from ingestion.leftovers import check_incoming, check_staging, check_workflows
from ingestion.parsing.document import ParseLimits
from ingestion.parsing.sandbox import Sandbox
from ingestion.pipeline import Stages
from ingestion.store import Store
from ingestion.work_lock import WorkLock
from ingestion.workers import Role, Workers
from ingestion.workflow import IngestionQueue, IngestionWorker
from retrieval.cross_encoder import CrossEncoder
from retrieval.lexical.follower import LexicalFollower
from retrieval.lexical.index import LexicalIndex
from retrieval.map.mapper import Mapper
from retrieval.reranking import NO_RERANKER, Reranker, Reranking
from retrieval.retriever import Retriever
from retrieval.segments import SegmentReader


@dataclass(frozen=True, slots=True)
class Models:
    """The models, and how to load them ahead of the first use."""

    embedder: Embedder
    generator: Generator
    warm_ups: dict[str, Callable[[], None]]
    reranker: Reranker = NO_RERANKER
    # the figures of an engine in this process; None where there is none
    find_stats: FindStats | None = None
    reward: Reward = BUILT_IN_REWARD
    pointer: Pointer = NO_POINTER


def build_database(settings: Settings) -> Database:
    """The truth."""
    return Database(settings.database_url)


def build_models(settings: Settings, *, embedding_threads: int | None = None) -> Models:
    """The models that the settings name. Loads nothing yet; embeds on so many threads, or on all.

    Raises `ModelMissingError`, which names the command that fetches them, and `SettingsError`.
    """
    embedder = build_embedder(settings, num_threads=embedding_threads)
    writer = build_generator(settings)
    generator = ForgettingGenerator(writer, build_database(settings))
    reranker = build_reranker(settings, generator, num_threads=embedding_threads)
    warm_ups = {"the embedding model": embedder.load, "the answering model": writer.load}
    if isinstance(reranker, CrossEncoder):
        warm_ups["the reranker"] = reranker.load
    reward = build_reward(settings, num_threads=embedding_threads)
    if isinstance(reward, TrainedReward):
        warm_ups["the reward"] = reward.load
    pointer = build_pointer(settings, num_threads=embedding_threads)
    if isinstance(pointer, Extractor):
        warm_ups["the extractor"] = pointer.load
    find_stats = writer.find_stats if isinstance(writer, LocalGenerator) else None
    return Models(embedder, generator, warm_ups, reranker, find_stats, reward, pointer)


def build_embedder(
    settings: Settings, model: str | None = None, *, num_threads: int | None = None
) -> LocalEmbedder:
    """The embedding model, by default the one that the settings name; on so many threads or on all
    cores. Raises as `build_models` does.
    """
    folder, spec = find_embedding_model(settings, model)
    return LocalEmbedder(folder, spec, num_threads=num_threads)


def build_question_embedder(settings: Settings, model: str) -> KeptQuestions:
    """What embeds questions while the index is another model's. Raises as `build_models` does."""
    return KeptQuestions(
        build_embedder(settings, model), max_kept=settings.retrieval.kept_questions
    )


def build_generator(settings: Settings) -> LocalGenerator | GeneratorPool:
    """The model that answers, here or behind HTTP. Raises as `build_models` does."""
    return _GENERATORS["remote" if settings.generation.url else "local"](settings)


def build_local_generator(settings: Settings, model: str | None = None) -> LocalGenerator:
    """A model in this process: a name of the catalogue, or the path of a file or folder.

    By default the one that the settings name, with their adapter; another has none. Raises as
    `build_models` does.
    """
    name, path = find_answer_model(settings, model)
    named = None if model is not None else settings.models.adapter
    return LocalGenerator(
        path,
        settings.generation,
        model=served_name(name, named),
        cache_dir=settings.data_dir / "cache" / "weights",
        adapter=named and find_adapter(named),
        adapters_dir=settings.data_dir / ADAPTERS_FOLDER,
    )


_GENERATORS: Final[Mapping[str, Callable[[Settings], LocalGenerator | GeneratorPool]]] = {
    "local": build_local_generator,
    "remote": lambda settings: GeneratorPool.of(
        settings.generation, model=served_name(settings.models.answer, settings.models.adapter)
    ),
}


def build_services(
    settings: Settings, models: Models, passwords: Passwords | None = None, seat: Seat | None = None
) -> Services:
    """Everything the faces call. Raises nothing for models; tests pass fakes.

    seat: of this process among several that serve one address. Raises `SettingsError` where traces
    are wanted and the extra is not installed.
    """
    database = build_database(settings)
    store = build_store(settings, database)
    jobs = Jobs(store)
    metrics = build_metrics(settings, jobs.backlog, models.find_stats, seat)
    models = _with_kept_questions(settings, models, metrics)
    lexical = build_lexical(settings.data_dir, database)
    retriever = build_retriever(settings, models, store, lexical)
    prompts = Prompts(database)
    doors = Doors.of(settings, database, passwords, throttle=_throttle_of(seat))
    collections = Collections(store)
    return Services(
        settings=settings,
        database=database,
        blobs=store.blobs,
        store=store,
        embedder=models.embedder,
        generator=models.generator,
        reward=models.reward,
        pointer=models.pointer,
        router=load_router(settings, models.embedder, collections),
        ranker=EvidenceRanker(models.embedder),
        retriever=retriever,
        lexical=lexical,
        mapper=build_mapper(database),
        collections=collections,
        documents=Documents(store),
        labels=DocumentLabels(store),
        jobs=jobs,
        attempts=Attempts(store),
        queue=IngestionQueue(settings.jobs_url),
        workers=build_workers(settings, database),
        servers=build_workers(settings, database, role="serve"),
        doors=doors,
        provider=build_provider(settings, database, doors),
        answers=Answers(database),
        running=RunningAnswers(database),
        idempotency=Idempotency(database),
        conversations=Conversations(database),
        feedback=Feedback(database),
        calibrations=Calibrations(database, models.embedder.model),
        prompts=prompts,
        active_prompts=ActivePrompts(database, prompts),
        adapters=Adapters.below(settings.data_dir, database),
        examples=Examples(database),
        example_chooser=ExampleChooser(database, models.embedder),
        metrics=metrics,
        tracing=build_tracing(settings.tracing),
        webhooks=Webhooks(database),
        deliverer=build_deliverer(settings, database),
        warm_ups=models.warm_ups | retriever.warm_ups,
    )


def _with_kept_questions(settings: Settings, models: Models, metrics: Metrics) -> Models:
    kept = KeptQuestions(
        models.embedder,
        max_kept=settings.retrieval.kept_questions,
        count=metrics.count_questions,
    )
    return replace(models, embedder=kept)


def _throttle_of(seat: Seat | None) -> Throttle:
    return Throttle() if seat is None else Throttle(SharedWindows(seat.shared))


def build_retriever(
    settings: Settings, models: Models, store: Store, lexical: LexicalFollower
) -> Retriever:
    """What finds passages."""
    embedder = models.embedder
    return Retriever(
        store.database,
        embedder,
        SegmentReader(store.database, store.segments, embedding_model=embedder.model),
        lexical,
        other_embedder=partial(build_question_embedder, settings),
        reranking=Reranking(models.reranker, settings.retrieval.rerank_depth),
    )


def build_deliverer(settings: Settings, database: Database) -> Deliverer:
    """What sends to webhooks, to no address that the settings do not allow."""
    webhooks = settings.webhooks
    check = AddressCheck(networks_of(webhooks.allowed_networks))
    return Deliverer(database, Sender(check, timeout_s=webhooks.timeout_s))


def build_provider(settings: Settings, database: Database, doors: Doors) -> ProviderSignIn | None:
    """How people get in through the identity provider that the settings name, if they do."""
    oidc = settings.oidc
    if oidc.issuer is None:
        return None
    redirect_uri = f"{settings.base_url}/sign-in/provider/callback"
    return ProviderSignIn(
        title=oidc.title,
        provider=Provider(oidc, redirect_uri=redirect_uri),
        identities=Identities(database, sign_up=oidc.sign_up),
        people=doors.people,
        sessions=doors.sessions,
        audit=doors.audit,
    )


def build_stages(settings: Settings, store: Store, embedder: Embedder) -> Stages:
    """The steps from a document to searchable chunks."""
    ingestion = settings.ingestion
    limits = ParseLimits(
        timeout_s=ingestion.parse_timeout_s,
        page_timeout_s=ingestion.parse_stall_s,
        memory_bytes=ingestion.parse_memory_bytes,
        max_text_chars=ingestion.max_text_chars,
        max_pages=ingestion.max_pages,
        max_image_pixels=ingestion.max_image_pixels,
        ocr=ingestion.ocr,
    )
    return Stages(
        store,
        Sandbox(limits),
        embedder,
        ingestion,
        other_embedder=partial(build_embedder, settings),
        classifiers=load_classifiers(settings),
    )


def build_worker(settings: Settings, store: Store, embedder: Embedder) -> IngestionWorker:
    """What turns queued documents into searchable ones."""
    return IngestionWorker(
        settings.jobs_url,
        store,
        build_stages(settings, store, embedder),
        build_workers(settings, store.database),
        WorkLock(settings.data_dir),
        num_documents=settings.ingestion.num_documents,
    )


def build_workers(settings: Settings, database: Database, *, role: Role = "ingest") -> Workers:
    """Who works on documents, or who answers."""
    return Workers(
        database,
        settings.data_dir / "workers",
        timeout_s=settings.ingestion.worker_timeout_s,
        role=role,
    )


def build_store(settings: Settings, database: Database) -> Store:
    """Where documents, their bytes and their segments are kept."""
    blobs, published = build_blobs(settings), build_published(settings)
    return Store.below(settings.data_dir, database, blobs, published)


def build_lexical(data_dir: Path, database: Database) -> LexicalFollower:
    """The lexical index and what keeps it in step with the rows."""
    return LexicalFollower(database, LexicalIndex(data_dir / "lexical"))


def build_mapper(database: Database, *, num_threads: int | None = 1) -> Mapper:
    """What draws maps. On one thread beside a service: people wait for answers meanwhile."""
    return Mapper(database, num_threads=num_threads or 1)


def build_checks(
    store: Store, queue: IngestionQueue, data_dir: Path, *, alone: bool, receiving: bool
) -> tuple[Check, ...]:
    """What `cimiento verify` compares with the truth besides blobs and segments.

    `alone`: nobody works on a document meanwhile. `receiving`: somebody may receive an upload.
    """
    return (
        partial(check_staging, store, alone=alone),
        partial(check_incoming, store.blobs, alone=not receiving),
        partial(check_published, store.database, store.segments),
        partial(check_workflows, Attempts(store), queue, alone=alone),
        build_lexical(data_dir, store.database).check,
        partial(check_answers, store.database),
        partial(check_evaluations, store.database),
        partial(check_examples, store.database),
        partial(check_prompts, store.database),
        Adapters.below(data_dir, store.database).check,
    )
