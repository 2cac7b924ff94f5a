"""A GGUF file is read exactly, or refused with what is wrong and where."""

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generation.engine.attention import PackedContext
from generation.engine.errors import (
    EngineError,
    GgufError,
    UnsupportedModelError,
    WeightsFileError,
)
from generation.engine.ggml_types import SUPPORTED_TYPES
from generation.engine.gguf_config import read_gguf_config
from generation.engine.gguf_file import GgufFile
from generation.engine.weights import build_transformer
from tests.unit.generation.engine.tiny import tiny_config, tiny_tensors, write_gguf

CONFIG = tiny_config(num_layers=1)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gguf")
    return write_gguf(folder / "tiny.gguf", tiny_tensors(CONFIG), CONFIG)


def header(*, version: int = 3, num_tensors: int = 0, num_keys: int = 0) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, num_tensors, num_keys)


def string(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def refusal(tmp_path: Path, content: bytes) -> str:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(content)
    with pytest.raises(EngineError) as caught:
        GgufFile(bad)
    return str(caught.value)


def test_metadata_comes_back_typed(path: Path) -> None:
    with GgufFile(path) as file:
        assert file.get_str("general.architecture") == "llama"
        assert file.get_int("llama.context_length") == 64
        assert file.get_float("llama.rope.freq_base") == 10_000.0
        assert len(file.get_strings("tokenizer.ggml.tokens")) == CONFIG.vocab_size
        assert file.get_int("no.such.key", default=3) == 3


def test_a_missing_or_mistyped_key_is_named(path: Path) -> None:
    with GgufFile(path) as file:
        with pytest.raises(GgufError, match=r"no metadata key 'no\.such\.key'"):
            file.get_int("no.such.key")
        with pytest.raises(GgufError, match=r"'general\.architecture' is str, expected int"):
            file.get_int("general.architecture")
        with pytest.raises(GgufError, match="expected a list"):
            file.get_strings("general.architecture")
        with pytest.raises(GgufError, match="items that are not int"):
            file.get_ints("tokenizer.ggml.tokens")


def write_blocks(path: Path, blocks: np.ndarray, kind: GGMLQuantizationType) -> Path:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tensor("w", blocks, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def draw_blocks(kind: GGMLQuantizationType) -> np.ndarray:
    """Three rows of two blocks, of any bytes that are no NaN or infinity."""
    rng = np.random.default_rng(0)
    block_len, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    if block_len == 1:
        values = rng.normal(size=(3, 64)).astype(np.float32)
        return gguf.quants.quantize(values, kind)
    # a byte below 0x70 is never the exponent of a half that is infinite
    return rng.integers(0, 0x70, (3, 2 * block_bytes), dtype=np.uint8)


@pytest.mark.parametrize(
    "kind", [GGMLQuantizationType(number) for number in SUPPORTED_TYPES], ids=lambda kind: kind.name
)
def test_tensors_of_every_type_equal_the_gguf_package(
    tmp_path: Path, kind: GGMLQuantizationType
) -> None:
    blocks = draw_blocks(kind)
    written = write_blocks(tmp_path / "one.gguf", blocks, kind)
    with GgufFile(written) as file:
        loaded = file.load_tensor("w")
        raw = file.load_blocks("w")
    expected = gguf.quants.dequantize(blocks, kind)
    assert np.isfinite(expected).all()
    assert np.array_equal(loaded, expected)
    assert loaded.dtype == np.float32
    assert raw.shape == loaded.shape
    assert raw.ggml_type.name == kind.name
    assert np.array_equal(raw.rows, blocks.view(np.uint8))


def test_all_types_that_the_docs_promise_are_read() -> None:
    promised = "F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q4_K Q5_K Q6_K"
    assert set(promised.split()) <= {kind.name for kind in SUPPORTED_TYPES.values()}


def test_a_quantised_model_loads_and_runs(tmp_path: Path) -> None:
    config = tiny_config(head_dim=16, d_model=64)
    written = write_gguf(
        tmp_path / "q8.gguf", tiny_tensors(config), config, matrix_type=GGMLQuantizationType.Q8_0
    )
    with GgufFile(written) as file:
        model = build_transformer(file, dtype=torch.float32)
    with torch.inference_mode():
        hidden = model(torch.tensor([1, 2, 3]), torch.arange(3), PackedContext([3]))
        assert model.logits(hidden).isfinite().all()


def test_every_truncation_is_refused(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    with GgufFile(path) as file:
        start = min(info.offset for info in file.tensors.values())
    for length in [*range(0, start, 97), start, len(whole) - 64]:
        assert refusal(tmp_path, whole[:length])


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(position=st.integers(0, 6000), value=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused_but_never_crashes(
    path: Path, tmp_path: Path, position: int, value: int
) -> None:
    content = bytearray(path.read_bytes())
    content[position % len(content)] = value
    changed = tmp_path / "changed.gguf"
    changed.write_bytes(content)
    try:
        with GgufFile(changed) as file:
            build_transformer(file, dtype=torch.float32)
    except EngineError as error:
        assert str(error)  # noqa: PT017  most changes are harmless: nothing needs to be raised


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "too few for a GGUF header"),
        (b"PK\x03\x04" + bytes(40), "not a GGUF file"),
        (header(version=1), "version 1; versions 2 and 3"),
        (header(version=3 << 24), "big-endian"),
        (header(num_keys=2**60), "metadata keys needs"),
        (header(num_tensors=2**60), "tensors needs"),
        (header(num_keys=1) + struct.pack("<Q", 2**63) + bytes(20), "a metadata key needs"),
        (header(num_keys=1) + string("k") + struct.pack("<I", 99) + bytes(9), "value type 99"),
        (
            header(num_keys=1) + string("k") + struct.pack("<IIQ", 9, 8, 2**40) + bytes(9),
            "1099511627776 strings of 'k'",
        ),
        (
            header(num_keys=1) + string("k") + struct.pack("<IIQ", 9, 9, 1) + bytes(20),
            "value type 9",
        ),
        (header(num_keys=2) + (string("k") + struct.pack("<IQ", 10, 1)) * 2, "appears twice"),
        (
            header(num_keys=1) + string("general.alignment") + struct.pack("<II", 4, 0),
            r"general.alignment is 0",
        ),
        (header(num_tensors=1) + string("w") + struct.pack("<I", 5) + bytes(60), "5 dimensions"),
        (
            header(num_tensors=1) + string("w") + struct.pack("<IQIQ", 1, 33, 2, 0),
            "does not fill Q4_0 blocks",
        ),
        (
            header(num_tensors=1) + string("w") + struct.pack("<IQIQ", 1, 32, 0, 2**62),
            "would end at byte",
        ),
    ],
)
def test_a_hostile_file_is_refused_with_the_reason(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    assert reason in refusal(tmp_path, content)


def test_an_unreadable_tensor_type_is_named(tmp_path: Path) -> None:
    content = header(num_tensors=1) + string("blk.0.w") + struct.pack("<IQIQ", 1, 256, 16, 0)
    assert "'blk.0.w' has type IQ2_XXS (16)" in refusal(tmp_path, content)


def test_another_architecture_is_named(tmp_path: Path) -> None:
    written = write_gguf(
        tmp_path / "other.gguf", tiny_tensors(CONFIG), CONFIG, architecture="mamba"
    )
    with GgufFile(written) as file, pytest.raises(UnsupportedModelError, match="'mamba'"):
        read_gguf_config(file)


def test_a_tensor_left_over_is_refused_by_name(tmp_path: Path) -> None:
    tensors = tiny_tensors(CONFIG) | {"blk.0.attn_sinks.weight": np.zeros(64, np.float32)}
    written = write_gguf(tmp_path / "sinks.gguf", tensors, CONFIG)
    with GgufFile(written) as file, pytest.raises(UnsupportedModelError, match=r"attn_sinks"):
        build_transformer(file)


def test_a_missing_or_misshapen_tensor_is_refused_by_name(tmp_path: Path) -> None:
    tensors = tiny_tensors(CONFIG)
    missing = {name: value for name, value in tensors.items() if name != "blk.0.ffn_up.weight"}
    bent = tensors | {"blk.0.ffn_up.weight": np.zeros((96, 32), np.float32)}
    for wrong, reason in ((missing, "no tensor 'blk.0.ffn_up.weight'"), (bent, r"\(96, 32\)")):
        written = write_gguf(tmp_path / "wrong.gguf", wrong, CONFIG)
        with GgufFile(written) as file, pytest.raises(WeightsFileError, match=reason):
            build_transformer(file)
