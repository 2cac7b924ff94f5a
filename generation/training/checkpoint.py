"""A run on disk, whole or not at all: weights, optimizer, place in the data, random numbers."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from core.durable import replace_file
from generation.training.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class RunState:
    """Where a run is. The next step depends on this, the trainer's state and the options alone."""

    step: int = 0  # optimizer steps done
    position: int = 0  # windows taken from the data
    num_tokens: int = 0
    elapsed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Best:
    """The best validation so far, and how many have come since; of a task that has a metric."""

    metric: float | None = None
    loss: float = 0.0
    step: int = 0
    num_worse: int = 0

    def after(self, step: int, *, metric: float, loss: float) -> "Best":
        """What it is after one more validation; of equal metrics the lower loss is better."""
        if self.metric is None or (metric, -loss) > (self.metric, -self.loss):
            return Best(metric, loss, step)
        return replace(self, num_worse=self.num_worse + 1)


NO_BEST: Final = Best()


def save_checkpoint(
    path: Path,
    run: RunState,
    trainer_state: dict[str, Any],
    options: dict[str, Any],
    *,
    best: Best = NO_BEST,
) -> None:
    """Replace the checkpoint at `path`; killed at any moment, the earlier one is still whole."""
    content = {
        "run": asdict(run),
        "best": asdict(best),
        "trainer": trainer_state,
        "options": options,
        "random": _random_state(),
    }
    replace_file(path, lambda stream: torch.save(content, stream))


def load_checkpoint(path: Path, *, device: torch.device) -> dict[str, Any]:
    """What `save_checkpoint` wrote, `run` and `best` as such. Random numbers go on where they were.

    Raises CheckpointError for a damaged file. Only plain data is read, never code.
    """
    with _damage_named(path):
        content = _load(path, device)
        content["run"] = RunState(**content["run"])
        content["best"] = Best(**content["best"])
        _restore_random(content["random"])
    return content


def save_weights(path: Path, weights: dict[str, Tensor]) -> None:
    """Replace the weights at `path`."""
    replace_file(path, lambda stream: torch.save(weights, stream))


def load_weights(path: Path, *, device: torch.device) -> dict[str, Tensor]:
    """What `save_weights` wrote. Raises CheckpointError for a damaged file."""
    with _damage_named(path):
        return _load(path, device)


def _load(path: Path, device: torch.device) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    return content


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); remove it to begin anew") from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path} is not a checkpoint; remove it to begin anew") from error


def _random_state() -> dict[str, torch.Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def _restore_random(state: dict[str, torch.Tensor]) -> None:
    torch.set_rng_state(state["cpu"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())
