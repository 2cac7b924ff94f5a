"""What is known of an embedding model that was tuned here. Reads its folder, loads no weights."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.embedding import EmbedderSpec
from core.errors import SettingsError

TUNED: Final = "cimiento.json"


@dataclass(frozen=True, slots=True)
class TunedEmbedding:
    """How texts are given to it, and what nDCG@10 it gained over its base on held-out questions.

    is_forced: it was written although the gain may be chance.
    """

    base: str
    num_dimensions: int
    query_prefix: str
    passage_prefix: str
    gain: float
    gain_low: float
    gain_high: float
    is_forced: bool

    def spec(self, name: str) -> EmbedderSpec:
        """What the service must know of it, under this name."""
        return EmbedderSpec(name, self.num_dimensions, self.query_prefix, self.passage_prefix)


def find_tuned(models_dir: Path, name: str) -> TunedEmbedding | None:
    """The model that lies below the pulled models under this name; None where there is none.

    Raises `SettingsError` where its gain was not measured and nobody forced it, or where it is
    damaged.
    """
    path = models_dir / name / TUNED
    if Path(name).name != name or not path.is_file():
        return None
    try:
        tuned = TunedEmbedding(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(f"{path} is damaged ({error}); train it again") from error
    if tuned.gain_low <= 0 and not tuned.is_forced:
        raise SettingsError(
            f"{path}: no gain over {tuned.base} was measured; write it with --resume --force"
        )
    return tuned
