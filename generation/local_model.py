"""Load a model and its tokenizer from one GGUF file. Reads the disk, never the network."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from generation.engine.config import ModelConfig
from generation.engine.gguf_file import GgufFile
from generation.engine.model import Transformer
from generation.engine.weights import build_transformer
from generation.tokenizer import Tokenizer, load_tokenizer


@dataclass(frozen=True, slots=True)
class LoadedModel:
    model: Transformer
    tokenizer: Tokenizer
    config: ModelConfig
    sha256: str  # of the whole file: which weights gave an answer


def load_model(path: Path, *, dtype: torch.dtype | None = None) -> LoadedModel:
    """Load weights in `dtype`; None takes the faster of float32 and bfloat16 on this machine.

    Raises FileNotFoundError, GgufError for a damaged file, UnsupportedModelError for a sound file
    that this engine does not run.
    """
    with ThreadPoolExecutor(1) as background, GgufFile(path) as file:
        digest = background.submit(_hash_file, path)
        tokenizer = load_tokenizer(file)
        model = build_transformer(file, dtype=dtype)
        return LoadedModel(model, tokenizer, model.config, digest.result())


def _hash_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
