"""The transformer engine: token ids in, token ids out. Knows no text, no HTTP, no documents.

A request's life: `Engine.generate` checks the prompt and makes a `Request`, which waits for its
turn; `Engine.step` schedules a chunk of it, runs the model, samples a token and puts it in the
request; the caller reads tokens from the `Generation` it holds. One request runs at a time over one
KV cache, which keeps the last request's tokens so that a shared prefix is not computed twice.
"""

from generation.engine.config import ModelConfig
from generation.engine.engine import Engine, Generation
from generation.engine.errors import (
    ContextOverflowError,
    EngineError,
    GgufError,
    InvalidPromptError,
    ModelConfigError,
    PromptTooLongError,
    SamplingParamsError,
    UnsupportedModelError,
)
from generation.engine.gguf_file import GgufFile
from generation.engine.kv_cache import KVCache
from generation.engine.model import Transformer
from generation.engine.request import FinishReason
from generation.engine.sampling import SamplingParams, sample
from generation.engine.weights import build_transformer, default_dtype

__all__ = [
    "ContextOverflowError",
    "Engine",
    "EngineError",
    "FinishReason",
    "Generation",
    "GgufError",
    "GgufFile",
    "InvalidPromptError",
    "KVCache",
    "ModelConfig",
    "ModelConfigError",
    "PromptTooLongError",
    "SamplingParams",
    "SamplingParamsError",
    "Transformer",
    "UnsupportedModelError",
    "build_transformer",
    "default_dtype",
    "sample",
]
