"""What judges beside the model that answers: the reranker, the reward, the extractor."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from app.finding_models import find_answer_model, find_embedding_model
from core.errors import SettingsError
from core.settings import Settings
from generation.errors import ModelUnusableError
from generation.extracting import NO_POINTER, Pointer
from generation.extractor import Extractor
from generation.generator import Generator
from generation.question_likelihood import QuestionLikelihood
from generation.reward import BUILT_IN_REWARD, Reward
from generation.trained_reward import TrainedReward
from generation.weights import find_extractor
from retrieval.cross_encoder import CrossEncoder
from retrieval.reranking import NO_RERANKER, Reranker

_RERANKER_KEY: Final = "CIMIENTO_RETRIEVAL__RERANKER"
_EXTRACTOR_KEY: Final = "CIMIENTO_MODELS__EXTRACTOR"
_REWARD_KEY: Final = "CIMIENTO_GENERATION__REWARD"


def build_reranker(
    settings: Settings, generator: Generator, *, num_threads: int | None = None
) -> Reranker:
    """What reads passages once more: nothing, the model that answers, or a cross-encoder.

    Loads nothing yet. Raises `SettingsError`.
    """
    name = settings.retrieval.reranker
    if build := _RERANKERS.get(name):
        return build(generator)
    folder = Path(name)
    if not (folder / "config.json").is_file():
        raise SettingsError(
            f"{_RERANKER_KEY}: {name!r} is none of {', '.join(_RERANKERS)}, and no folder of a "
            "cross-encoder: it has no config.json"
        )
    return CrossEncoder(folder, num_threads=num_threads)


_RERANKERS: Final[Mapping[str, Callable[[Generator], Reranker]]] = {
    "none": lambda _generator: NO_RERANKER,
    "likelihood": QuestionLikelihood,
}


def build_reward(settings: Settings, *, num_threads: int | None = None) -> Reward:
    """What picks one of several drafts: the built-in reward, or one trained on the model that
    answers.

    Loads no weights yet. Raises `SettingsError`.
    """
    path = settings.generation.reward
    if path is None:
        return BUILT_IN_REWARD
    _name, base = find_answer_model(settings)
    try:
        return TrainedReward(path, base, num_threads=num_threads)
    except ModelUnusableError as error:
        raise SettingsError(f"{_REWARD_KEY}: {error}") from error


def build_pointer(settings: Settings, *, num_threads: int | None = None) -> Pointer:
    """What points at answers beside a reader: nothing, or an extractor over the embedding model.

    Loads no weights yet. Raises `ModelMissingError` and `SettingsError`.
    """
    named = settings.models.extractor
    if named is None:
        return NO_POINTER
    folder, _spec = find_embedding_model(settings)
    try:
        return Extractor(find_extractor(named), folder, num_threads=num_threads)
    except ModelUnusableError as error:
        raise SettingsError(f"{_EXTRACTOR_KEY}: {error}") from error
