"""The service under test: real rooms over a temporary folder, fake models, no process, no port."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import httpx2
from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.testclient import TestClient

import migrations
from app.evaluation.background import EvaluationRunner
from app.forgetting import ForgettingGenerator
from app.main import create_app
from app.people.passwords import Passwords
from app.readiness import Condition
from app.services import Services
from app.wiring import Models, build_database, build_services
from core.classifier import Classifier
from core.errors import CimientoError
from core.server_settings import ServerSettings
from core.settings import DatabaseSettings, GenerationSettings, Settings
from ingestion.attempts import Attempt
from ingestion.pipeline import Stages, ingest_document
from retrieval.reranking import NO_RERANKER, Reranker
from tests.databases import is_postgresql, url_of
from tests.fakes import FakeEmbedder
from tests.fakes_generation import FakeGenerator
from tests.unit.ingestion.house import LIMITS, DirectSandbox

MAX_UPLOAD_BYTES = 1024 * 1024
# real hashes, but of a kind that tests need not wait for
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
POOL = (
    "The swimming pool opens at nine in the morning. It closes at eight in the evening.\n\n"
    "Dogs are not allowed inside the swimming pool area. Visitors bring their own towels."
)


def build_web(data_dir: Path) -> Path:
    """What stands in for the built web application: its kinds of files, and nothing in them."""
    root = data_dir / "web"
    (root / "assets").mkdir(parents=True, exist_ok=True)
    (root / "index.html").write_text("<!doctype html><title>Cimiento</title>")
    (root / "logo.svg").write_text("<svg/>")
    for suffix in ("", ".br", ".gz"):
        (root / "assets" / f"index-1a2b.js{suffix}").write_text(f"script{suffix}")
    return root


class House:
    """A service; `client` is a calling service with a key, `stranger` has none."""

    def __init__(
        self,
        data_dir: Path,
        *,
        generator: FakeGenerator | None = None,
        server: ServerSettings | None = None,
        style: Literal["draft", "quote"] = "quote",
        reranker: Reranker = NO_RERANKER,
        min_confidence: float = 0.29,
    ) -> None:
        self.generator = generator or FakeGenerator()
        server = server or ServerSettings(max_upload_bytes=MAX_UPLOAD_BYTES)
        settings = Settings(
            data_dir=data_dir,
            database=DatabaseSettings(url=url_of(data_dir) if is_postgresql() else None),
            server=server,
            generation=GenerationSettings(style=style, min_confidence=min_confidence),
        )
        generating = ForgettingGenerator(self.generator, build_database(settings))
        models = Models(FakeEmbedder(), generating, {}, reranker)
        self.services: Services = build_services(settings, models, Passwords(CHEAP))
        migrations.upgrade(self.services.database)
        self.classifiers: tuple[Classifier, ...] = ()
        self.is_worker_alive = True
        alive = Condition("the ingestion worker is not running", lambda: self.is_worker_alive)
        self.web_root = build_web(data_dir)
        self.app: FastAPI = create_app(self.services, conditions=(alive,), web_root=self.web_root)
        _, self.key = self.services.credentials.create_key("tests")
        self.stranger = self.new_client()
        self.client = self.new_client(headers={"Authorization": f"Bearer {self.key}"})

    def new_client(self, headers: dict[str, str] | None = None) -> TestClient:
        """A client with a cookie jar of its own. Redirects are not followed."""
        return TestClient(
            self.app,
            base_url=self.services.settings.base_url,
            headers=headers,
            follow_redirects=False,
        )

    def sign_in(self) -> TestClient:
        """A browser that has used a sign-in link."""
        browser = self.new_client()
        token = self.services.doors.sessions.create_link()
        assert browser.post("/sign-in", data={"token": token}).status_code == 303
        return browser

    def upload(self, name: str, data: str | bytes, collection: str = "default") -> httpx2.Response:
        """Upload a document, as a service does."""
        files = {"file": (name, data.encode() if isinstance(data, str) else data)}
        return self.client.post(f"/v1/collections/{collection}/documents", files=files)

    def ingest(self) -> None:
        """Work off whatever is queued, here and now."""
        services = self.services
        stages = Stages(
            services.store,
            DirectSandbox(LIMITS),
            services.embedder,
            services.settings.ingestion,
            classifiers=self.classifiers,
        )
        for attempt in services.attempts.list_open():
            try:
                ingest_document(attempt, stages)
            except CimientoError as error:
                stages.fail(attempt, error)

    def evaluate(self) -> None:
        """Work off the evaluation runs that are queued, here and now."""
        EvaluationRunner(self.services).run_queued()

    def add(self, name: str, data: str | bytes, collection: str = "default") -> str:
        """Upload and ingest; returns the document's id."""
        accepted = self.upload(name, data, collection).json()
        self.ingest()
        document_id: str = accepted["document_id"]
        return document_id

    def with_settings(self, **server: object) -> FastAPI:
        """The same rooms behind other server settings."""
        settings = self.services.settings
        changed = settings.model_copy(update={"server": settings.server.model_copy(update=server)})
        return create_app(replace(self.services, settings=changed), web_root=self.web_root)

    def behind(self, services: Services) -> "House":
        """The same house with other rooms."""
        self.services = services
        self.app = create_app(services, web_root=self.web_root)
        self.client = self.new_client(headers={"Authorization": f"Bearer {self.key}"})
        return self

    def close(self) -> None:
        """End what is being answered, and close every connection."""
        self.app.state.live.stop()
        self.services.close()


def attempt_of(job_id: str) -> Attempt:
    """The first attempt of a job."""
    return Attempt(job_id, 1)  # type: ignore[arg-type] # tests hold ids as plain text
