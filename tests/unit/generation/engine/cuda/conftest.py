"""Triton's kernels where Triton is installed: on the card if there is one, else interpreted."""

import sys

import pytest
import torch

from generation.engine.cuda.backends import TritonAttention

_HAS_CARD = torch.cuda.is_available()
_FIRST_INTERPRETER = (3, 9)  # tried; 3.6 fails at every loop
_IMPORTED_EARLIER = "triton" in sys.modules

if not _HAS_CARD and not _IMPORTED_EARLIER:
    # Triton reads this once, when it is imported; without a card nothing else could use it
    pytest.MonkeyPatch().setenv("TRITON_INTERPRET", "1")


@pytest.fixture(scope="session")
def device() -> torch.device:
    return torch.device("cuda" if _HAS_CARD else "cpu")


@pytest.fixture(scope="session")
def triton_works() -> None:
    triton = pytest.importorskip(
        "triton", reason="Triton ships with torch's CUDA builds; install it alone to try it here"
    )
    numbers = tuple(int(part) for part in triton.__version__.split(".")[:2])
    if not _HAS_CARD and numbers < _FIRST_INTERPRETER:
        pytest.skip("this Triton's interpreter is not up to the numpy of today")
    if not _HAS_CARD and not triton.knobs.runtime.interpret:
        pytest.skip("Triton was imported before its interpreter was asked for; run this folder")


@pytest.fixture(params=[1, 4], ids=["whole", "split"])
def triton_attention(request: pytest.FixtureRequest, triton_works: None) -> TritonAttention:
    return TritonAttention(num_processors=4, num_splits=request.param)
