"""Where the models are that settings name, and what must be known of them. Loads none."""

from pathlib import Path
from typing import Final

from core.embedding import EmbedderSpec
from core.errors import SettingsError
from core.models import CATALOGUE, ModelKind, ModelSpec, ModelStore, get_spec
from core.settings import Settings
from core.tuned_embedding import find_tuned

_ANSWER_KEY: Final = "CIMIENTO_MODELS__ANSWER"
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


def find_answer_model(settings: Settings, model: str | None = None) -> tuple[str, Path]:
    """The name and the place of a model that answers: of the catalogue, or a file or folder.

    By default the one that the settings name. Raises as `build_models` does.
    """
    if model is not None and model not in CATALOGUE and (path := Path(model)).exists():
        # a folder's name may hold dots: "Qwen2.5-0.5B"
        return path.resolve().name if path.is_dir() else path.stem, path
    spec = get_spec_for(model or settings.models.answer, ModelKind.ANSWERS, _ANSWER_KEY)
    return spec.name, ModelStore(settings.models_dir).get(spec.name) / spec.files[0].path


def served_name(model: str, adapter: Path | None) -> str:
    """What a model is called once an adapter is merged into it; a name that says so stays."""
    end = f"+{adapter.stem}" if adapter is not None else ""
    return model if model.endswith(end) else model + end


def get_spec_for(name: str, kind: ModelKind, key: str) -> ModelSpec:
    """What the catalogue says of a model for this. Raises `SettingsError`, which names the key."""
    spec = get_spec(name)
    if spec.kind is not kind:
        raise SettingsError(f"{key}: {name!r} is a model for {spec.kind}, not for {kind}")
    return spec
