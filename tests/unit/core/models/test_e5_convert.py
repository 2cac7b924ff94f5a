"""A packed E5 file becomes a whole sentence-transformers folder, the same bytes every time."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from tokenizers import Tokenizer

from core.models.e5_convert import convert_e5
from core.models.e5_format import dequantise, load_e5
from tests.unit.core.models.packed_e5 import HIDDEN, VOCABULARY, PackedE5


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.bin"
    path.write_bytes(PackedE5().build())
    return path


def convert(packed: Path, name: str) -> Path:
    folder = packed.parent / name
    convert_e5(packed, folder, on_bytes=lambda _done: None)
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_converting_twice_gives_the_same_bytes(packed: Path) -> None:
    assert digests(convert(packed, "one")) == digests(convert(packed, "two"))


def test_the_weights_are_the_dequantised_ones(packed: Path) -> None:
    folder = convert(packed, "one")
    exact = dequantise(load_e5(packed).q4_rows("emb.word", VOCABULARY, HIDDEN))
    with safe_open(folder / "model.safetensors", framework="np") as weights:
        stored = weights.get_tensor("embeddings.word_embeddings.weight")
        layer_norm = weights.get_tensor("encoder.layer.0.output.LayerNorm.weight")
        names = set(weights.keys())
    assert stored.dtype == np.float16
    assert np.abs(stored.astype(np.float32) - exact).max() < 5e-4
    assert layer_norm.dtype == np.float32
    assert layer_norm.tolist() == [1.0] * HIDDEN
    assert len(names) == 5 + 2 + 16


def test_the_folder_describes_itself(packed: Path) -> None:
    folder = convert(packed, "one")
    config = json.loads((folder / "config.json").read_text())
    assert (config["model_type"], config["hidden_size"], config["dtype"]) == ("bert", 64, "float32")
    assert config["layer_norm_eps"] == 1e-12
    modules = json.loads((folder / "modules.json").read_text())
    assert [module["path"] for module in modules] == ["", "1_Pooling", "2_Normalize"]
    assert "MIT" in (folder / "README.md").read_text()


def test_the_tokenizer_reads_text_as_the_upstream_one_does(packed: Path) -> None:
    tokenizer = Tokenizer.from_file(str(convert(packed, "one") / "tokenizer.json"))
    plain = tokenizer.encode("la casa")
    assert plain.tokens == ["<s>", "▁la", "▁casa", "</s>"]
    for same in ("  la   casa ", "la\u00a0casa", "la\ncasa\n", "\uff4c\uff41 casa"):
        assert tokenizer.encode(same).ids == plain.ids
    assert tokenizer.encode("la casas").tokens == ["<s>", "▁la", "▁casa", "s", "</s>"]
    assert tokenizer.encode("").tokens == ["<s>", "</s>"]


def test_the_bytes_written_are_reported_and_grow(packed: Path) -> None:
    done: list[int] = []
    convert_e5(packed, packed.parent / "one", on_bytes=done.append)
    assert done == sorted(done)
    assert done[-1] < (packed.parent / "one/model.safetensors").stat().st_size
