"""A run on disk, whole or not at all: weights, optimizer, place in the data, random numbers."""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from core.durable import replace_file
from generation.training.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class RunState:
    """Where a run is. The next step depends on this, the trainer's state and the options alone."""

    step: int = 0  # optimizer steps done
    position: int = 0  # windows taken from the data
    num_tokens: int = 0
    elapsed_s: float = 0.0


def save_checkpoint(
    path: Path, run: RunState, trainer_state: dict[str, Any], options: dict[str, Any]
) -> None:
    """Replace the checkpoint at `path`; killed at any moment, the earlier one is still whole."""
    content = {
        "run": {name: getattr(run, name) for name in RunState.__dataclass_fields__},
        "trainer": trainer_state,
        "options": options,
        "random": _random_state(),
    }
    replace_file(path, lambda stream: torch.save(content, stream))


def load_checkpoint(path: Path, *, device: torch.device) -> dict[str, Any]:
    """What `save_checkpoint` wrote; `run` is a RunState. Random numbers go on where they were.

    Raises CheckpointError for a damaged file. Only plain data is read, never code.
    """
    try:
        content: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        content["run"] = RunState(**content["run"])
        _restore_random(content["random"])
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); remove it to begin anew") from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path} is not a checkpoint; remove it to begin anew") from error
    return content


def _random_state() -> dict[str, torch.Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def _restore_random(state: dict[str, torch.Tensor]) -> None:
    torch.set_rng_state(state["cpu"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())
