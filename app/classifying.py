"""The classifiers that the settings name: one labels documents, one chooses collections."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from core.access import Access
from core.classifier import Classifier, Subject, load_classifier
from core.embedding import Embedder
from core.errors import ClassifierUnusableError, CollectionNotFoundError, SettingsError
from core.settings import Settings
from ingestion.collections import Collections

_CLASSIFIER_KEY: Final = "CIMIENTO_INGESTION__CLASSIFIER"
_ROUTER_KEY: Final = "CIMIENTO_RETRIEVAL__ROUTER"


class Router(Protocol):
    """Chooses a collection for a question."""

    def route(self, question: str, access: Access) -> str | None:
        """The name of a collection that the caller may see; None to search them all."""
        ...


class NoRouter:
    """Searches all collections, whatever is asked."""

    def route(self, question: str, access: Access) -> str | None:  # noqa: ARG002 - as the seam says
        """None."""
        return None


@dataclass(frozen=True, slots=True)
class ClassifierRouter:
    """The classifier's labels are names of collections; others choose nothing."""

    classifier: Classifier
    embedder: Embedder
    collections: Collections

    def route(self, question: str, access: Access) -> str | None:
        """The collection that it is sure of, where the caller may see it."""
        verdict = self.classifier.classify(self.embedder.embed_queries([question])[0])
        if not verdict.is_sure:
            return None
        try:
            return self.collections.get(verdict.label, access).name
        except CollectionNotFoundError:
            return None


def load_classifiers(settings: Settings) -> tuple[Classifier, ...]:
    """What labels documents as they come in. Raises `SettingsError`."""
    path = settings.ingestion.classifier
    return () if path is None else (_load(path, "documents", key=_CLASSIFIER_KEY),)


def load_router(settings: Settings, embedder: Embedder, collections: Collections) -> Router:
    """What chooses a collection for a question that names none. Raises `SettingsError`."""
    path = settings.retrieval.router
    if path is None:
        return NoRouter()
    classifier = _load(path, "questions", key=_ROUTER_KEY)
    if classifier.embedding_model != embedder.model:
        raise SettingsError(
            f"{_ROUTER_KEY}: {path} is over {classifier.embedding_model}, and questions are "
            f"embedded by {embedder.model}; train it again"
        )
    return ClassifierRouter(classifier, embedder, collections)


def _load(path: Path, subject: Subject, *, key: str) -> Classifier:
    try:
        classifier = load_classifier(path)
    except ClassifierUnusableError as error:
        raise SettingsError(f"{key}: {error}") from error
    if classifier.subject != subject:
        raise SettingsError(f"{key}: {path} is a classifier of {classifier.subject}")
    return classifier
