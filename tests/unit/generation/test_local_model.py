"""One file gives model, tokenizer and hash."""

import hashlib
from pathlib import Path

import pytest
import torch

from generation.engine import Engine, GgufError, SamplingParams
from generation.local_model import load_model
from generation.types import Message
from tests.unit.generation.engine.tiny import tiny_config, tiny_tensors, write_gguf

CONFIG = tiny_config(vocab_size=280)


def test_a_file_gives_model_tokenizer_and_hash(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", tiny_tensors(CONFIG), CONFIG)
    loaded = load_model(path, dtype=torch.float32)

    assert loaded.config == loaded.model.config == CONFIG
    assert loaded.tokenizer.vocab_size == 280
    assert loaded.tokenizer.stop_ids == {0, 2}
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()

    prompt = loaded.tokenizer.render_chat([Message("user", "hello")])
    tokens = Engine(loaded.model).generate(prompt, SamplingParams(max_tokens=5))
    assert isinstance(loaded.tokenizer.decode(tokens), str)


def test_a_missing_file_and_a_broken_one_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.gguf")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"not a model, but long enough to look for a header in it")
    with pytest.raises(GgufError, match="not a GGUF file"):
        load_model(broken)
