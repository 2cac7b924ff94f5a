"""Put a model where the settings say: the processor, a card, or several cards together."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import torch

from core.settings import GenerationSettings
from generation.engine.engine import Engine, EngineSettings
from generation.engine.errors import UnsupportedModelError
from generation.engine.model import Transformer
from generation.engine.packed_weights import Precision, dtype_of
from generation.engine.parallel_steps import Leader, Team
from generation.engine.weights import build_transformer
from generation.local_model import LoadedModel, load_around, load_model, open_weights

_CPU_KV_BYTES: Final = 256 << 20
_CPU_BATCH_TOKENS: Final = 512
_CARD_BATCH_TOKENS: Final = 8192
# of what the weights leave free: the rest is for what a step computes
_CARD_KV_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Placed:
    """A model with the engine that runs it. Close it at the end of the process."""

    loaded: LoadedModel
    engine: Engine
    end_team: Callable[[], None] | None = None

    def close(self, *, drain_s: float = 0.0) -> None:
        self.engine.close(drain_s=drain_s)
        if self.end_team is not None:
            self.end_team()


def place_model(
    path: Path,
    settings: GenerationSettings,
    *,
    cache_dir: Path | None,
    adapter: Path | None = None,
) -> Placed:
    """Load a model where the settings say. Raises as `load_model` does."""
    device = choose_device(settings.device)
    if settings.num_devices > 1:
        if adapter is not None:
            raise UnsupportedModelError(
                "CIMIENTO_MODELS__ADAPTER is merged on one device; set "
                "CIMIENTO_GENERATION__NUM_DEVICES to 1"
            )
        return _place_on_team(path, settings, device)
    loaded = load_model(
        path, precision=settings.weights, cache_dir=cache_dir, device=device, adapter=adapter
    )
    return Placed(loaded, Engine(loaded.model, engine_settings(settings, device)))


def choose_device(wanted: str) -> str:
    """ "auto" is a card where torch can use one. Raises UnsupportedModelError without it."""
    has_card = torch.cuda.is_available()
    if wanted == "cuda" and not has_card:
        raise UnsupportedModelError(
            "CIMIENTO_GENERATION__DEVICE is cuda, but torch finds no card here; install a build of "
            "torch for CUDA and its driver, or set it to cpu"
        )
    return "cuda" if has_card and wanted != "cpu" else "cpu"


def engine_settings(settings: GenerationSettings, device: str = "cpu") -> EngineSettings:
    """What the settings say about the engine; 0 is what suits the device."""
    on_card = device == "cuda"
    kv_bytes, batch_tokens = _CPU_KV_BYTES, _CPU_BATCH_TOKENS
    if on_card:
        kv_bytes = int(torch.cuda.mem_get_info()[0] * _CARD_KV_SHARE)
        batch_tokens = _CARD_BATCH_TOKENS
    return EngineSettings(
        max_context=settings.max_context,
        kv_bytes=settings.kv_bytes or kv_bytes,
        max_batch_tokens=settings.max_batch_tokens or batch_tokens,
        max_sequences=settings.max_sequences,
        max_waiting=settings.max_waiting,
        num_threads=settings.num_threads or None,
        lookup=settings.lookup,
        compile_blocks=settings.compile_blocks and on_card,
    )


def _place_on_team(path: Path, settings: GenerationSettings, device: str) -> Placed:
    if settings.weights in ("int8", "int4"):
        raise UnsupportedModelError(
            f"{settings.weights} weights run on one device only; with "
            "CIMIENTO_GENERATION__NUM_DEVICES above 1 use auto, bfloat16 or float32"
        )
    team = Team(size=settings.num_devices, port=_free_port(), device_type=device)
    leader = Leader(partial(load_whole, path, settings.weights, device), team)
    engine = Engine(
        leader.model, engine_settings(settings, device), build_runner=leader.build_runner
    )
    return Placed(load_around(path, leader.model), engine, leader.close)


def load_whole(path: Path, precision: Precision, device: str) -> Transformer:
    """Every process of a team begins with the whole model on the processor, and keeps its share."""
    on_card = device == "cuda" and precision == "auto"
    dtype = torch.bfloat16 if on_card else dtype_of(precision)
    with open_weights(path) as source:
        return build_transformer(source, dtype=dtype)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
