"""Eight-bit products: as near to the dense ones as eight bits are, whatever the rows."""

import pytest
import torch

from generation.engine.cuda.int8 import CudaInt8, pack_int8
from generation.engine.packing import PackedLinear, quantise_int8
from tests.unit.generation.engine.tiny import tiny_transformer


@pytest.mark.usefixtures("triton_works")
@pytest.mark.parametrize(
    ("num_rows", "num_out", "num_in"), [(1, 32, 128), (3, 70, 200), (17, 33, 64), (64, 48, 130)]
)
def test_the_kernel_multiplies_by_the_rounded_weights(
    num_rows: int, num_out: int, num_in: int
) -> None:
    generator = torch.Generator().manual_seed(num_rows)
    weight = torch.randn(num_out, num_in, generator=generator)
    x = torch.randn(num_rows, num_in, generator=generator)
    rounded = quantise_int8(weight)
    scales = rounded.scales.half()  # the interpreter knows no bfloat16
    found = CudaInt8(rounded.levels, scales).multiply(x)
    right = x @ (rounded.levels.float() * scales.float()[:, None]).T
    torch.testing.assert_close(found, right, rtol=1e-4, atol=1e-4)


def test_every_product_of_the_model_is_packed_and_keeps_its_dense_form() -> None:
    model = tiny_transformer(tie_embeddings=True)
    pack_int8(model)
    packed = [name for name, module in model.named_modules() if isinstance(module, PackedLinear)]
    assert len(packed) == 4 * model.config.num_layers + 1
    assert "head" in packed
    assert model.head.weight is model.embedding.weight


def test_many_rows_are_multiplied_by_the_dense_weights() -> None:
    model, dense = tiny_transformer(), tiny_transformer()
    pack_int8(model)
    hidden = torch.randn(65, model.config.d_model)
    assert torch.equal(model.logits(hidden), dense.logits(hidden))
