"""One file or one folder gives model, tokenizer and hash."""

import hashlib
import json
from pathlib import Path

import pytest
import tokenizers
import torch
from tokenizers import AddedToken, decoders, models, pre_tokenizers

from generation.engine.attention import PackedContext
from generation.engine.errors import GgufError
from generation.local_model import LoadedModel, load_model
from generation.types import Message
from tests.unit.generation.engine.families import build_reference
from tests.unit.generation.engine.tiny import TEMPLATE, tiny_config, tiny_tensors, write_gguf

CONFIG = tiny_config(vocab_size=280)


def answer(loaded: LoadedModel) -> str:
    """The token after a chat, as text."""
    ids = loaded.tokenizer.render_chat([Message("user", "hello")])
    with torch.inference_mode():
        hidden = loaded.model(torch.tensor(ids), torch.arange(len(ids)), PackedContext([len(ids)]))
        return loaded.tokenizer.decode(loaded.model.logits(hidden[-1:]).argmax(-1).tolist())


def test_a_file_gives_model_tokenizer_and_hash(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", tiny_tensors(CONFIG), CONFIG)
    loaded = load_model(path, precision="float32")

    assert loaded.config == loaded.model.config == CONFIG
    assert loaded.tokenizer.vocab_size == 280
    assert loaded.tokenizer.stop_ids == {0, 2}
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert isinstance(answer(loaded), str)


def test_a_folder_gives_model_tokenizer_and_hash(tmp_path: Path) -> None:
    build_reference("llama").save_pretrained(tmp_path)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())[:80]
    bpe = tokenizers.Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens([AddedToken("<|im_start|>"), AddedToken("<|im_end|>")])
    bpe.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "chat_template.jinja").write_text(TEMPLATE)
    loaded = load_model(tmp_path, precision="float32")

    weights = tmp_path / "model.safetensors"
    assert loaded.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert loaded.config.vocab_size == 97
    assert loaded.tokenizer.stop_ids == {2, 81}
    assert isinstance(answer(loaded), str)


def test_the_hash_of_a_folder_is_of_its_shards_in_order(tmp_path: Path) -> None:
    build_reference("llama").save_pretrained(tmp_path, max_shard_size="100KB")
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(shards) > 1
    bpe = tokenizers.Tokenizer(models.BPE(vocab={"a": 0}, merges=[]))
    bpe.decoder = decoders.ByteLevel()
    bpe.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [5, 6]}))

    loaded = load_model(tmp_path)
    whole = b"".join(shard.read_bytes() for shard in shards)
    assert loaded.sha256 == hashlib.sha256(whole).hexdigest()
    assert loaded.tokenizer.stop_ids == {2, 5, 6}


def test_a_missing_file_and_a_broken_one_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.gguf")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"not a model, but long enough to look for a header in it")
    with pytest.raises(GgufError, match="not a GGUF file"):
        load_model(broken)
