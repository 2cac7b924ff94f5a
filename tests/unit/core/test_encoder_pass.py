"""A compiled pass gives what the same lines give as Python."""

import pytest
import torch

from core.encoder import default_dtype
from core.encoder_pass import Layer, Linear, Norm, Weights, compiled_pass, pack, run_pass

D, WIDE, HEADS, EPS = 32, 64, 4, 1e-12


# in one order everywhere: processes that share tests must collect the same
@pytest.mark.parametrize("dtype", sorted({torch.float32, default_dtype()}, key=str))
def test_a_compiled_pass_gives_what_python_gives(dtype: torch.dtype) -> None:
    weights, tokens, runs = _weights(dtype), torch.randint(60, (14,)), [(2, 3), (1, 8)]
    plain = run_pass(weights, tokens, runs, HEADS, EPS)
    for _ in range(3):  # the first calls of what is compiled go other ways than later ones
        compiled = compiled_pass()(weights, tokens, runs, HEADS, EPS)
        torch.testing.assert_close(compiled, plain, atol=1e-6, rtol=0)


def test_a_pass_is_one_call_into_torch() -> None:
    # as anything else it would take Python's lock for each of its operations
    assert isinstance(compiled_pass(), torch.jit.ScriptFunction)


def _weights(dtype: torch.dtype) -> Weights:
    random = torch.Generator().manual_seed(7)

    def linear(num_out: int, num_in: int) -> Linear:
        weight = torch.randn(num_out, num_in, generator=random) * 0.3
        return pack(weight.to(dtype), torch.randn(num_out, generator=random).to(dtype))

    def norm() -> Norm:
        return Norm(torch.rand(D, generator=random) + 0.5, torch.randn(D, generator=random))

    layers = [
        Layer(linear(3 * D, D), linear(D, D), norm(), linear(WIDE, D), linear(D, WIDE), norm())
        for _ in range(2)
    ]
    words, places = (torch.randn(num, D, generator=random) for num in (60, 16))
    return Weights(words.half(), places, norm(), layers)
