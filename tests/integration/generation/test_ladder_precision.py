"""Fewer bits cost little: each format of the weights beside float32 of the same file."""

import shutil
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from generation.engine.devices import build_cpu_runner
from generation.engine.model import Transformer
from generation.engine.native.runner import NativeRunner
from generation.engine.packed_weights import Precision
from generation.engine.runner import Chunk, Runner, RunnerSizes
from generation.local_model import LoadedModel, load_model
from tests.integration.generation.conftest import ModelFiles
from tests.integration.generation.prompts import PASSAGE, QUESTIONS

pytestmark = pytest.mark.weights

_PAGE = 16
# as many rows as the packed products of every format take: more would be computed densely
_ROWS = 4


@torch.inference_mode()
def log_probabilities(model: Transformer, tokens: Sequence[int]) -> Tensor:
    """(T, V) as decoding computes them, a few tokens at a time."""
    pages = list(range(-(-len(tokens) // _PAGE)))
    sizes = RunnerSizes(
        num_pages=len(pages), page_size=_PAGE, max_context=len(tokens), max_sequences=1
    )
    runner = build_cpu_runner(model, sizes)
    steps = [
        runner.logits(runner.run([Chunk(tokens[start : start + _ROWS], start, pages, 0)]))
        for start in range(0, len(tokens), _ROWS)
    ]
    return torch.cat(steps).log_softmax(-1)


@pytest.fixture(scope="module")
def tokens(loaded: LoadedModel) -> list[int]:
    return loaded.tokenizer.encode(PASSAGE + "\n".join(QUESTIONS))


@pytest.fixture(scope="module")
def exact(loaded: LoadedModel, tokens: list[int]) -> Tensor:
    return log_probabilities(loaded.model, tokens)


@pytest.mark.parametrize(
    ("precision", "least_agreement", "most_divergence"),
    [
        ("bfloat16", 0.95, 0.004),
        ("auto", 0.94, 0.006),
        ("int4", 0.94, 0.006),
        ("int8", 0.90, 0.016),
    ],
)
def test_fewer_bits_hardly_change_the_distribution(
    model_files: ModelFiles,
    tokens: list[int],
    exact: Tensor,
    precision: Precision,
    least_agreement: float,
    most_divergence: float,
) -> None:
    model = load_model(model_files.answer_model, precision=precision).model
    agreement, divergence = compare(log_probabilities(model, tokens), exact)
    assert agreement >= least_agreement
    assert divergence <= most_divergence


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler: 'apt-get install g++'")
@pytest.mark.parametrize("precision", ["auto", "int4", "int8"])
def test_compiled_steps_hardly_change_it_either(
    model_files: ModelFiles,
    tokens: list[int],
    exact: Tensor,
    precision: Precision,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    cache = tmp_path_factory.getbasetemp() / "compiled-steps"
    model = load_model(model_files.answer_model, precision=precision, cache_dir=cache).model
    sizes = RunnerSizes(num_pages=1, page_size=_PAGE, max_context=_PAGE, max_sequences=1)
    assert isinstance(build_cpu_runner(model, sizes), NativeRunner)
    agreement, divergence = compare(log_probabilities(model, tokens), exact)
    assert agreement >= 0.94
    assert divergence <= 0.006
    # and kept for next time, they are the same
    again = load_model(model_files.answer_model, precision=precision, cache_dir=cache).model
    assert torch.equal(log_probabilities(again, tokens[:40]), log_probabilities(model, tokens[:40]))


def compare(rounded: Tensor, exact: Tensor) -> tuple[float, float]:
    """How often both choose the same token, and the divergence from `exact`; both (T, V)."""
    agreement = float((rounded.argmax(-1) == exact.argmax(-1)).float().mean())
    return agreement, float((exact.exp() * (exact - rounded)).sum(-1).mean())


def test_prompts_are_computed_densely_whatever_the_format(
    model_files: ModelFiles, tokens: list[int]
) -> None:
    """So that a prompt costs a packed model no more than it costs a dense one."""
    packed = load_model(model_files.answer_model, precision="int4").model
    dense = load_model(model_files.answer_model, precision="bfloat16").model
    hidden = []
    for model in (packed, dense):
        runner = Runner(model.to(torch.bfloat16), num_pages=4, page_size=_PAGE)
        with torch.inference_mode():
            hidden.append(runner.run([Chunk(tokens[:60], 0, [0, 1, 2, 3], 0)]))
    assert torch.equal(*hidden)
