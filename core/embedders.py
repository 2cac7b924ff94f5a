"""The embedder that the settings name, and that of the index while it is another model's."""

import threading
from collections.abc import Callable

from sqlalchemy import select

from core.database import Database
from core.embedding import Embedder
from core.errors import SettingsError
from core.tables import ManifestRow

LoadEmbedder = Callable[[str], Embedder]
"""Gives the embedder of a model by its name."""


def no_other_model(model: str) -> Embedder:
    """For whoever has one embedder only. Raises `SettingsError`."""
    raise SettingsError(
        f"the index is of the embedding model {model!r}; set CIMIENTO_MODELS__EMBEDDING to it"
    )


class Embedders:
    """Embedders by model: the wanted one, and others as they are needed. Thread-safe."""

    def __init__(self, database: Database, wanted: Embedder, load: LoadEmbedder) -> None:
        self._database = database
        self.wanted = wanted
        self._load = load
        self._lock = threading.Lock()
        self._loaded: dict[str, Embedder] = {}

    def get(self, model: str) -> Embedder:
        """The embedder of this model. Raises what loading it raises."""
        if model == self.wanted.model:
            return self.wanted
        with self._lock:
            if model not in self._loaded:
                self._loaded[model] = self._load(model)
            return self._loaded[model]

    def get_serving(self) -> Embedder:
        """The embedder whose vectors searches compare now; the wanted one while there are none."""
        with self._database.read_scope() as session:
            model = session.scalars(select(ManifestRow.embedding_model)).one()
        return self.get(model or self.wanted.model)
