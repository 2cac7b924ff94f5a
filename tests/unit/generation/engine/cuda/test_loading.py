"""A file becomes a model on a card, in a format that a card has kernels for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from generation.engine.cuda.int8 import CudaInt8
from generation.engine.cuda.loading import build_on_card
from generation.engine.errors import UnsupportedModelError
from generation.engine.gguf_file import GgufFile
from generation.engine.packing import PackedLinear
from tests.unit.generation.engine.tiny import tiny_config, tiny_tensors, write_gguf

DEVICE = torch.device("cpu")  # stands for a card


@pytest.fixture
def source(tmp_path: Path) -> Iterator[GgufFile]:
    config = tiny_config()
    file = GgufFile(write_gguf(tmp_path / "model.gguf", tiny_tensors(config), config))
    yield file
    file.close()


def test_sixteen_bits_unless_others_are_asked_for(source: GgufFile) -> None:
    assert build_on_card(source, device=DEVICE).dtype is torch.bfloat16
    assert build_on_card(source, precision="float32", device=DEVICE).dtype is torch.float32


def test_eight_bits_are_packed_beside_sixteen(source: GgufFile) -> None:
    model = build_on_card(source, precision="int8", device=DEVICE)
    head = model.get_submodule("head")
    assert isinstance(head, PackedLinear)
    assert isinstance(head.packed, CudaInt8)
    assert model.dtype is torch.bfloat16


def test_four_bits_are_refused_with_what_can_be_had(source: GgufFile) -> None:
    with pytest.raises(UnsupportedModelError, match="int4 weights run on the CPU only"):
        build_on_card(source, precision="int4", device=DEVICE)
