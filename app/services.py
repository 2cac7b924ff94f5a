"""Everything the faces call, as one value. Holds; constructs nothing (`app.wiring` does)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.active_prompts import ActivePrompts
from app.adapters import Adapters
from app.answers import Answers
from app.calibrations import Calibrations
from app.choosing_examples import ExampleChooser
from app.classifying import Router
from app.conversations import Conversations
from app.examples import Examples
from app.feedback import Feedback
from app.idempotency import Idempotency
from app.metrics import Metrics
from app.people.credentials import Credentials
from app.people.doors import Doors
from app.people.provider_sign_in import ProviderSignIn
from app.prompts import Prompts
from app.running_answers import RunningAnswers
from app.tracing import Tracing
from app.webhooks.delivering import Deliverer
from app.webhooks.store import Webhooks
from core.blobs import BlobStore
from core.database import Database
from core.embedding import Embedder
from core.settings import Settings
from generation.evidence import EvidenceRanker
from generation.extracting import Pointer
from generation.generator import Generator
from generation.reward import Reward
from ingestion.attempts import Attempts
from ingestion.collections import Collections
from ingestion.document_labels import DocumentLabels
from ingestion.documents import Documents
from ingestion.jobs import Jobs
from ingestion.store import Store
from ingestion.workers import Workers
from ingestion.workflow import IngestionQueue
from retrieval.lexical.follower import LexicalFollower
from retrieval.map.mapper import Mapper
from retrieval.retriever import Retriever


@dataclass(frozen=True, slots=True)
class Services:
    """The rooms behind the faces, wired together. Close it at the end of the process."""

    settings: Settings
    database: Database
    blobs: BlobStore
    store: Store
    embedder: Embedder
    generator: Generator
    reward: Reward
    pointer: Pointer
    router: Router
    ranker: EvidenceRanker
    retriever: Retriever
    lexical: LexicalFollower
    mapper: Mapper
    collections: Collections
    documents: Documents
    labels: DocumentLabels
    jobs: Jobs
    attempts: Attempts
    queue: IngestionQueue
    workers: Workers
    # the processes that answer, of which this is one
    servers: Workers
    doors: Doors
    answers: Answers
    running: RunningAnswers
    idempotency: Idempotency
    conversations: Conversations
    feedback: Feedback
    calibrations: Calibrations
    prompts: Prompts
    active_prompts: ActivePrompts
    adapters: Adapters
    examples: Examples
    example_chooser: ExampleChooser
    metrics: Metrics
    tracing: Tracing
    webhooks: Webhooks
    deliverer: Deliverer
    # How people get in through an identity provider; None where there is none.
    provider: ProviderSignIn | None = None
    # What loads in the background before the service is ready: its name, and how.
    warm_ups: Mapping[str, Callable[[], None]] = field(default_factory=dict)

    @property
    def credentials(self) -> Credentials:
        """Keys, and who they and sessions belong to."""
        return self.doors.credentials

    def close(self) -> None:
        """End what runs, and let go of models and connections."""
        # first: an engine that computes while the interpreter ends can take the process down
        self.generator.close()
        self.queue.close()
        self.doors.later.close()
        self.tracing.close()
        self.database.close()
