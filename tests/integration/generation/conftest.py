"""The real model once, in float32, beside transformers on the same weights."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
import torch
from transformers import LlamaForCausalLM

from benchmarks.reference import build_reference
from generation.engine.engine import Engine, EngineSettings
from generation.local_model import LoadedModel, load_model


class ModelFiles(Protocol):
    answer_model: Path


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    # equality needs no speed, and a second thread beside a busy core is slower than none
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package")
def loaded(model_files: ModelFiles) -> LoadedModel:
    return load_model(model_files.answer_model, precision="float32")


@pytest.fixture(scope="package")
def engine(loaded: LoadedModel) -> Iterator[Engine]:
    engine = Engine(loaded.model, EngineSettings(max_context=2048, num_threads=1))
    yield engine
    engine.close()


@pytest.fixture(scope="package")
def reference(loaded: LoadedModel) -> LlamaForCausalLM:
    return build_reference(loaded.model)
