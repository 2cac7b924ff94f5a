"""An adapter is merged into the weights that it belongs to, in whatever format they are served."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from generation.engine.adapters import (
    Adapter,
    LowRank,
    load_adapter,
    merge_adapter,
    serialise_adapter,
)
from generation.engine.errors import WeightsFileError
from generation.engine.gguf_file import GgufFile
from generation.engine.packed_weights import Precision, build_model
from generation.engine.packing import PackedLinear
from tests.unit.generation.engine.tiny import tiny_config, tiny_tensors, write_gguf

QKV = "blocks.1.attention.qkv.weight"


def draw_adapter(*, num_out: int = 8, num_in: int = 6, name: str = QKV) -> Adapter:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(shape, generator=generator) for shape in ((2, num_in), (num_out, 2)))
    return Adapter({name: LowRank(a, b)}, scale=0.5, base_sha256="f" * 64, prompt="direct@1")


def test_it_comes_back_from_its_file(tmp_path: Path) -> None:
    adapter = draw_adapter()
    path = tmp_path / "adapter.safetensors"
    path.write_bytes(serialise_adapter(adapter))
    loaded = load_adapter(path)
    assert (loaded.scale, loaded.base_sha256, loaded.prompt) == (0.5, "f" * 64, "direct@1")
    assert torch.equal(loaded.factors[QKV].a, adapter.factors[QKV].a)
    assert torch.equal(loaded.factors[QKV].b, adapter.factors[QKV].b)


def test_merging_adds_the_scaled_product_and_leaves_the_rest() -> None:
    adapter = draw_adapter()
    weights = {QKV: torch.ones(8, 6), "norm.weight": torch.ones(6)}
    merged = merge_adapter(adapter, weights)
    pair = adapter.factors[QKV]
    torch.testing.assert_close(merged[QKV], 1 + 0.5 * pair.b @ pair.a)
    assert merged["norm.weight"] is weights["norm.weight"]


def test_an_adapter_of_other_shapes_or_names_is_refused() -> None:
    with pytest.raises(WeightsFileError, match="to 8 x 6, the model has 8 x 7"):
        merge_adapter(draw_adapter(), {QKV: torch.ones(8, 7)})
    with pytest.raises(WeightsFileError, match="which this model does not have"):
        merge_adapter(draw_adapter(name="blocks.9.x.weight"), {QKV: torch.ones(8, 6)})


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50])


def of_somebody_else(path: Path) -> None:
    save_file({"lora_A": torch.ones(2, 2)}, path)


def half(path: Path) -> None:
    facts = {"format": "cimiento-low-rank-1", "scale": "1.0", "base_sha256": "", "prompt": ""}
    save_file({QKV + ".low_rank_a": torch.ones(2, 2)}, path, metadata=facts)


def not_a_number(path: Path) -> None:
    adapter = draw_adapter()
    adapter.factors[QKV].a[0, 0] = torch.nan
    path.write_bytes(serialise_adapter(adapter))


def gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [cut_off, of_somebody_else, half, not_a_number, gone])
def test_a_file_that_is_no_whole_adapter_is_refused(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = tmp_path / "adapter.safetensors"
    path.write_bytes(serialise_adapter(draw_adapter()))
    damage(path)
    with pytest.raises(WeightsFileError):
        load_adapter(path)


@pytest.mark.parametrize("precision", ["float32", "auto", "int8", "int4"])
def test_every_format_serves_the_merged_weights(tmp_path: Path, precision: Precision) -> None:
    config = tiny_config(vocab_size=280)
    path = write_gguf(tmp_path / "tiny.gguf", tiny_tensors(config), config)
    width = config.q_size + 2 * config.kv_size
    adapter = draw_adapter(num_out=width, num_in=config.d_model)
    with GgufFile(path) as source:
        dense = build_model(source, precision="float32", adapter=adapter)
        plain = build_model(source, precision="float32")
        served = build_model(source, precision=precision, adapter=adapter)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(3, config.d_model, generator=generator)
    product = served.get_submodule("blocks.1.attention.qkv")
    if precision in ("int8", "int4"):
        assert isinstance(product, PackedLinear)
    expected, before = (m.get_submodule("blocks.1.attention.qkv")(x) for m in (dense, plain))
    error = (product(x.to(served.dtype)).float() - expected).norm()
    assert error < 0.2 * (before - expected).norm()
