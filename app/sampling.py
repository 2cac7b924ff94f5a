"""How the tokens of an answer are chosen: what a caller asks for, within what the owner allows."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from core.errors import CimientoError
from core.settings import GenerationSettings
from generation.types import Sampling

# Samples must differ to be worth choosing from; benchmarks/LOG.md has what other temperatures gave.
SAMPLES_TEMPERATURE: Final = 0.7


class BadSamplingError(CimientoError):
    """An option of `sampling` that cannot be followed; `field` names it."""

    code = "bad_sampling"

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


def choose_sampling(
    settings: GenerationSettings, given: Mapping[str, Any], *, samples: int | None = None
) -> Sampling:
    """The sampling of an answer: `given` by field of `Sampling`, the rest as the settings say.

    `samples` is how many a collection wants where nobody asks. Who asks for temperature 0 and for
    no number of samples wants one. Raises `BadSamplingError`.
    """
    most = min(settings.max_samples, settings.max_waiting)
    is_greedy = given.get("temperature") == 0
    # what an owner allowed less of since is no fault of whoever asks
    default = 1 if is_greedy else min(samples or settings.samples, most)
    n = given.get("n", default)
    if not 1 <= n <= most:
        raise BadSamplingError(
            f"n must be between 1 and {most}, as CIMIENTO_GENERATION__MAX_SAMPLES allows", field="n"
        )
    if n > 1 and is_greedy:
        raise BadSamplingError(
            "at temperature 0 all samples are the same; leave the temperature out, or n",
            field="temperature",
        )
    unasked = Sampling(
        temperature=SAMPLES_TEMPERATURE if n > 1 else 0.0, max_tokens=settings.max_tokens, n=n
    )
    return replace(unasked, **given)
