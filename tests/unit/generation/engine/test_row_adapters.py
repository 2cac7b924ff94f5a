"""Rows with adapters and without in one batch get what each would get alone, and merged."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from typing import Final

import pytest
import torch
from torch import Tensor

from generation.engine.adapters import Adapter, LowRank, merge_adapter
from generation.engine.engine import Engine, EngineSettings
from generation.engine.errors import WeightsFileError
from generation.engine.generation import Generation
from generation.engine.model import Transformer
from generation.engine.pages import PAGE_SIZE
from generation.engine.params import SamplingParams
from generation.engine.row_adapters import RowAdapter, prepare_adapter
from generation.engine.runner import Chunk, Runner
from generation.engine.sequence import Request
from tests.unit.generation.engine.tiny import tiny_transformer

PROMPT: Final = tuple((7 * place + place * place) % 97 for place in range(40))
PARAMS: Final = SamplingParams(max_tokens=12)
PRODUCTS: Final = ("attention.qkv", "attention.out", "feed_forward.gate_up", "feed_forward.down")


def draw(model: Transformer, *, seed: int, rank: int, products: tuple[str, ...]) -> Adapter:
    """Changes as large as the weights: without them, every token would be another."""
    generator = torch.Generator().manual_seed(seed)
    factors = {}
    for layer in range(model.config.num_layers):
        for product in products:
            name = f"blocks.{layer}.{product}.weight"
            num_out, num_in = model.get_parameter(name).shape
            a = torch.randn(rank, num_in, generator=generator)
            b = torch.randn(num_out, rank, generator=generator)
            factors[name] = LowRank(a, b)
    return Adapter(factors, scale=0.1, base_sha256="b" * 64, prompt="direct@1")


def merged(model: Transformer, adapter: Adapter) -> Transformer:
    """The same model, with weights that hold the change."""
    changed = tiny_transformer()
    changed.load_state_dict(merge_adapter(adapter, model.state_dict()))
    return changed


MODEL: Final = tiny_transformer()
# one changes every product, the other some, with another rank
ADAPTERS: Final[Mapping[str, Adapter]] = {
    "a": draw(MODEL, seed=1, rank=4, products=PRODUCTS),
    "b": draw(MODEL, seed=2, rank=3, products=("attention.qkv", "feed_forward.down")),
}
MODELS: Final[Mapping[str, Transformer]] = {
    "": MODEL,
    **{name: merged(MODEL, adapter) for name, adapter in ADAPTERS.items()},
}


def ready(name: str, model: Transformer = MODEL) -> RowAdapter | None:
    adapter = ADAPTERS.get(name)
    return None if adapter is None else prepare_adapter(adapter, model, sha256=name * 64)


READY: Final = {name: ready(name) for name in MODELS}


def begin(engine: Engine, adapter: RowAdapter | None) -> Generation:
    generation = Generation(lambda: False)
    request = Request(prompt_ids=PROMPT, params=PARAMS, adapter=adapter)
    generation.attach(engine.submit(request, generation.hear))
    return generation


def write(engine: Engine, adapter: RowAdapter | None = None) -> list[int]:
    return list(begin(engine, adapter))


@pytest.fixture
def engine() -> Iterator[Engine]:
    with closing(Engine(MODEL, EngineSettings(num_threads=1))) as engine:
        yield engine


def logits(model: Transformer, chunks: list[Chunk]) -> list[Tensor]:
    """Of every token, by chunk."""
    runner = Runner(model, num_pages=16, page_size=PAGE_SIZE)
    with torch.inference_mode():
        rows = runner.logits(runner.run(chunks))
    return list(torch.split(rows, [len(chunk.tokens) for chunk in chunks]))


@pytest.mark.parametrize("order", [("a", "", "b"), ("a", "b", "a", "", "b"), ("", "a"), ("b",)])
@pytest.mark.parametrize("length", [3, 30])
def test_each_row_gets_what_the_merged_weights_give(order: tuple[str, ...], length: int) -> None:
    """In prompts, with rows of padding, as in short steps; neighbours and apart."""
    chunks = [
        Chunk(PROMPT[at : at + length], 0, [2 * at, 2 * at + 1], 0, adapter=READY[name])
        for at, name in enumerate(order)
    ]
    for name, chunk, rows in zip(order, chunks, logits(MODEL, chunks), strict=True):
        (expected,) = logits(MODELS[name], [replace(chunk, adapter=None)])
        torch.testing.assert_close(rows, expected, atol=1e-3, rtol=1e-4)


def test_the_adapters_change_what_is_written() -> None:
    """Else the tests here would compare equal things."""
    texts = []
    for model in MODELS.values():
        with closing(Engine(model, EngineSettings(num_threads=1))) as engine:
            texts.append(write(engine))
    assert all(one != other for one, other in pairwise([*texts, texts[0]]))


@pytest.mark.parametrize("lookup", [True, False])
def test_one_batch_writes_what_each_would_alone_and_merged(*, lookup: bool) -> None:
    settings = EngineSettings(num_threads=1, lookup=lookup, max_batch_tokens=64)
    expected = {}
    for name, model in MODELS.items():
        with closing(Engine(model, settings)) as alone:
            expected[name] = write(alone)
    with closing(Engine(MODEL, settings)) as engine:
        running = [(name, begin(engine, READY[name])) for name in ("a", "", "b", "a", "b", "")]
        for name, generation in running:
            assert list(generation) == expected[name]


def test_no_prefix_of_one_adapter_is_reused_under_another(engine: Engine) -> None:
    for name in MODELS:
        before = engine.stats().num_reused_tokens
        with closing(Engine(MODELS[name], EngineSettings(num_threads=1))) as fresh:
            expected = write(fresh)
        assert write(engine, READY[name]) == expected
        assert engine.stats().num_reused_tokens == before
    # its own is
    assert write(engine, READY["b"]) == expected
    assert engine.stats().num_reused_tokens == before + 2 * PAGE_SIZE


def test_an_adapter_and_a_tenant_cannot_be_taken_for_one_another() -> None:
    plain = Request(prompt_ids=PROMPT, params=PARAMS, tenant=f"{'a' * 64}:north")
    adapted = Request(prompt_ids=PROMPT, params=PARAMS, tenant="north", adapter=READY["a"])
    assert plain.cache_key != adapted.cache_key


def test_scores_are_those_of_the_merged_weights(engine: Engine) -> None:
    continuations = [PROMPT[3:9], (), PROMPT[20:21]]
    for name, model in MODELS.items():
        with closing(Engine(model, EngineSettings(num_threads=1))) as alone:
            expected = alone.score(PROMPT, continuations)
        scores = engine.score(PROMPT, continuations, adapter=READY[name])
        assert scores == pytest.approx(expected, abs=1e-3)


def test_what_the_weights_hold_already_is_taken_back() -> None:
    """The service's own adapter is merged; a collection's is of the plain weights."""
    model = MODELS["b"]
    over = prepare_adapter(ADAPTERS["a"], model, sha256="a" * 64, merged=ADAPTERS["b"])
    chunk = Chunk(PROMPT, 0, [0, 1, 2], 0)
    (expected,) = logits(MODELS["a"], [chunk])
    (rows,) = logits(model, [replace(chunk, adapter=over)])
    torch.testing.assert_close(rows, expected, atol=5e-3, rtol=1e-3)


def test_its_products_are_as_they_were_after_a_batch() -> None:
    chunk = Chunk(PROMPT, 0, [0, 1, 2], 0)
    (before,) = logits(MODEL, [chunk])
    logits(MODEL, [replace(chunk, adapter=READY["a"])])
    (after,) = logits(MODEL, [chunk])
    assert torch.equal(before, after)
    assert not any(module._forward_hooks for module in MODEL.modules())


@pytest.mark.parametrize(
    ("name", "shape", "told"),
    [
        ("blocks.9.attention.qkv.weight", (128, 64), "no product of this model's blocks"),
        ("embedding.weight", (97, 64), "no product of this model's blocks"),
        ("blocks.0.attention_norm.weight", (64, 64), "no product of this model's blocks"),
        ("blocks.0.attention.qkv.weight", (64, 64), "to 64 x 64, the model has 128 x 64"),
    ],
)
def test_one_that_does_not_fit_the_model_is_refused(
    name: str, shape: tuple[int, int], told: str
) -> None:
    factors = {name: LowRank(torch.ones(2, shape[1]), torch.ones(shape[0], 2))}
    wrong = Adapter(factors, scale=1.0, base_sha256="b" * 64, prompt="direct@1")
    with pytest.raises(WeightsFileError, match=told):
        prepare_adapter(wrong, MODEL, sha256="c" * 64)
