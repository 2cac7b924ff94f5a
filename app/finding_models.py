"""Where the models are that settings name, and what must be known of them. Loads none."""

from pathlib import Path
from typing import Final

from core.embedding import EmbedderSpec
from core.errors import SettingsError
from core.models import CATALOGUE, ModelKind, ModelSpec, ModelStore, get_spec
from core.settings import Settings
from core.tuned_embedding import find_tuned

_EMBEDDING_KEY: Final = "CIMIENTO_MODELS__EMBEDDING"


def find_embedding_model(settings: Settings, model: str | None = None) -> tuple[Path, EmbedderSpec]:
    """The folder of an embedding model, by default the settings', and how texts are given to it.

    It is of the catalogue, or was tuned and lies beside those. Raises `ModelMissingError`
    and `SettingsError`.
    """
    name = model or settings.models.embedding
    tuned = None if name in CATALOGUE else find_tuned(settings.models_dir, name)
    if tuned is not None:
        return settings.models_dir / name, tuned.spec(name)
    spec = get_spec_for(name, ModelKind.EMBEDDINGS, _EMBEDDING_KEY)
    traits = spec.embedding
    if traits is None:
        raise SettingsError(f"{_EMBEDDING_KEY}: {spec.name!r} does not say how to embed with it")
    embedding = EmbedderSpec(
        model=spec.name,
        num_dimensions=traits.dimensions,
        query_prefix=traits.query_prefix,
        passage_prefix=traits.passage_prefix,
    )
    return ModelStore(settings.models_dir).get(spec.name), embedding


def get_spec_for(name: str, kind: ModelKind, key: str) -> ModelSpec:
    """What the catalogue says of a model for this. Raises `SettingsError`, which names the key."""
    spec = get_spec(name)
    if spec.kind is not kind:
        raise SettingsError(f"{key}: {name!r} is a model for {spec.kind}, not for {kind}")
    return spec
