"""The packed E5 file is read exactly, and never past its end."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.models.e5_format import Q4_BLOCK, dequantise, load_e5
from core.models.errors import ModelCorruptError
from tests.unit.core.models.packed_e5 import HIDDEN, PIECES, SCORES, PackedE5, q4_block


def write(tmp_path: Path, packed: PackedE5) -> Path:
    path = tmp_path / "tiny.bin"
    path.write_bytes(packed.build())
    return path


def test_a_block_is_its_scale_times_its_nibbles_less_eight() -> None:
    nibbles = [*range(16), *reversed(range(16))]
    blocks = np.frombuffer(q4_block(0.5, nibbles), Q4_BLOCK).reshape(1, 1)
    assert dequantise(blocks).tolist() == [[(nibble - 8) * 0.5 for nibble in nibbles]]


def test_vocabulary_shape_and_tensors_are_read(tmp_path: Path) -> None:
    source = load_e5(write(tmp_path, PackedE5()))
    assert source.shape.hidden == HIDDEN
    assert source.vocabulary.pieces == PIECES
    assert source.vocabulary.scores == pytest.approx(SCORES)
    assert (source.vocabulary.bos, source.vocabulary.eos) == (0, 2)
    assert source.float32("emb.pos", 16, HIDDEN)[3, 5] == np.float32(0.01)
    assert dequantise(source.q4_rows("emb.word", 12, HIDDEN)).shape == (12, HIDDEN)


def test_a_file_cut_anywhere_is_a_clear_error(tmp_path: Path) -> None:
    whole = PackedE5().build()
    path = tmp_path / "cut.bin"
    for length in (0, 3, 8, 30, 60, 100, 300, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelCorruptError, match=r"cut short"):
            load_e5(path)


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        (replace(PackedE5(), magic=b"GGUF"), "not an E5 file"),
        (replace(PackedE5(), version=2), "version 2"),
        (replace(PackedE5(), sizes=(64, 1, 2, 96, -1, 16, 2)), "impossible sizes"),
        (replace(PackedE5(), sizes=(63, 1, 3, 96, 12, 16, 2)), "does not divide"),
        (replace(PackedE5(), sizes=(64, 1, 3, 96, 12, 16, 2)), "does not fit together"),
        (replace(PackedE5(), sizes=(64, 1, 2, 96, 5, 16, 2)), "do not fit 5 embeddings"),
        (replace(PackedE5(), special=(0, 2, 1, 99)), "special ids"),
        (replace(PackedE5(), pieces=(b"\xff", *PackedE5().pieces[1:])), "not UTF-8"),
    ],
)
def test_a_header_that_cannot_be_is_refused(tmp_path: Path, spoilt: PackedE5, words: str) -> None:
    with pytest.raises(ModelCorruptError, match=words):
        load_e5(write(tmp_path, spoilt))


def test_a_tensor_that_is_missing_or_of_another_size_is_refused(tmp_path: Path) -> None:
    source = load_e5(write(tmp_path, PackedE5()))
    with pytest.raises(ModelCorruptError, match="no tensor 'l7"):
        source.float32("l7.q.b", HIDDEN)
    with pytest.raises(ModelCorruptError, match=r"emb\.pos.* expected type 0 and 128"):
        source.float32("emb.pos", 2, HIDDEN)
    with pytest.raises(ModelCorruptError, match="expected type 1"):
        source.q4_rows("emb.pos", 16, HIDDEN)


def test_a_tensor_that_lies_about_its_bytes_is_refused(tmp_path: Path) -> None:
    packed = PackedE5()
    kind, values, content = packed.tensors["emb.ln.w"]
    packed.tensors["emb.ln.w"] = (kind, values, content[:-4])
    source = load_e5(write(tmp_path, packed))
    with pytest.raises(ModelCorruptError, match=r"takes 252 bytes, expected 256"):
        source.float32("emb.ln.w", HIDDEN)
