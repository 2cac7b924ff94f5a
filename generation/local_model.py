"""Load a model and its tokenizer from a GGUF file or a folder. Reads the disk, not the network."""

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from generation.engine.config import ModelConfig
from generation.engine.gguf_file import GgufFile
from generation.engine.model import Transformer
from generation.engine.packed_weights import Precision, build_model, cache_name
from generation.engine.safetensors_folder import SafetensorsFolder
from generation.engine.weights import WeightSource
from generation.tokenizer import Tokenizer
from generation.tokenizer_folder import load_folder_tokenizer
from generation.tokenizer_gguf import load_gguf_tokenizer


@dataclass(frozen=True, slots=True)
class LoadedModel:
    model: Transformer
    tokenizer: Tokenizer
    config: ModelConfig
    sha256: str  # of the file, or of a folder's weight files in order: which weights gave an answer


def open_weights(path: Path) -> WeightSource:
    """A folder is a checkpoint, anything else a GGUF file; close it, or use it with `with`."""
    return SafetensorsFolder(path) if path.is_dir() else GgufFile(path)


def load_tokenizer(source: WeightSource) -> Tokenizer:
    if isinstance(source, GgufFile):
        return load_gguf_tokenizer(source)
    return load_folder_tokenizer(source.path)


def load_model(
    path: Path,
    *,
    precision: Precision = "auto",
    cache_dir: Path | None = None,
    device: str = "cpu",
) -> LoadedModel:
    """Load weights in the format that `build_model` makes of `precision`, or `build_on_card`.

    cache_dir: where packed weights are kept for the next start, by the hash of their file.
    Raises FileNotFoundError, WeightsFileError (GgufError for a GGUF file) for a damaged file,
    UnsupportedModelError for a sound one that this engine does not run.
    """

    def build(source: WeightSource, sha256: Callable[[], str]) -> Transformer:
        if device != "cpu":
            # none of it is wanted where there is no card
            from generation.engine.cuda.loading import build_on_card  # noqa: PLC0415

            return build_on_card(source, precision=precision, device=torch.device(device))
        cache = cache_dir and cache_dir / cache_name(sha256(), precision)
        return build_model(source, precision=precision, cache=cache)

    return _load(path, build)


def load_around(path: Path, model: Transformer) -> LoadedModel:
    """What else there is to know of a file whose weights are loaded already. Raises as above."""
    return _load(path, lambda _source, _sha256: model)


def _load(
    path: Path, build: Callable[[WeightSource, Callable[[], str]], Transformer]
) -> LoadedModel:
    with ThreadPoolExecutor(1) as background, open_weights(path) as source:
        files = [path] if isinstance(source, GgufFile) else source.files
        digest = background.submit(hash_files, files)
        tokenizer = load_tokenizer(source)
        model = build(source, digest.result)
        return LoadedModel(model, tokenizer, model.config, digest.result())


def hash_files(paths: Iterable[Path]) -> str:
    """SHA-256 of the files' bytes, one after the other."""
    digest = hashlib.sha256()
    buffer = bytearray(1 << 20)
    for path in paths:
        with path.open("rb") as stream:
            while size := stream.readinto(buffer):
                digest.update(memoryview(buffer)[:size])
    return digest.hexdigest()
