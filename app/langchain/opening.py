"""A vector store for a program of one's own: the service's rooms, opened without a server."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import migrations
from app.adding import Added, see_through
from app.langchain.vector_store import CimientoVectorStore
from app.receiving import receiving
from app.wiring import build_models, build_services, build_worker
from core.settings import Settings, load_settings


@contextmanager
def open_vector_store(
    collection: str = "default", *, settings: Settings | None = None
) -> Iterator[CimientoVectorStore]:
    """The vector store of a collection, by default as the environment's settings say.

    Works beside a running service, whose worker then does the work. Raises `SettingsError`,
    `ModelMissingError` and `CollectionNotFoundError`.
    """
    settings = settings or load_settings()
    services = build_services(settings, build_models(settings))

    def finish(added: Sequence[Added]) -> Sequence[Added]:
        return see_through(
            services,
            added,
            lambda: build_worker(settings, services.store, services.embedder),
            show=lambda _: None,
        )

    try:
        migrations.upgrade(services.database)
        with receiving(services):
            yield CimientoVectorStore(services, see_through=finish, collection=collection)
    finally:
        services.close()
