"""At start, what is missing, wrong or broken is left out, and the fastest of the rest is taken."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from generation.engine.attention import LayerAttention
from generation.engine.cuda.backends import GatheredAttention, PagedAttention, VarlenAttention
from generation.engine.cuda.batch import PagedBatch
from generation.engine.cuda.graphs import record_nothing
from generation.engine.cuda.probe import build_varlen, choose_attention
from tests.unit.generation.engine.cuda.batches import Case, draw
from tests.unit.generation.engine.tiny import tiny_transformer


class Slow(GatheredAttention):
    name = "slow"

    def attend(
        self, layer: LayerAttention, q: Tensor, keys: Tensor, values: Tensor, batch: PagedBatch
    ) -> Tensor:
        time.sleep(0.005)
        return super().attend(layer, q, keys, values, batch)


class Forgetful(GatheredAttention):
    """Sees past the window."""

    name = "forgetful"

    def attend(
        self, layer: LayerAttention, q: Tensor, keys: Tensor, values: Tensor, batch: PagedBatch
    ) -> Tensor:
        return super().attend(LayerAttention(0, layer.scale, None), q, keys, values, batch)


class Nothing(GatheredAttention):
    name = "nothing"

    def attend(self, layer: LayerAttention, q: Tensor, *_: Any) -> Tensor:
        return torch.full_like(q, torch.nan)


def missing() -> PagedAttention:
    raise ImportError("there is no such kernel")


def choose(**builders: Callable[[], PagedAttention]) -> tuple[str, dict[str, str | None]]:
    model = tiny_transformer(sliding_window=20, sliding_layers=frozenset({0}))
    best, verdicts = choose_attention(model, builders, record_nothing, page_size=16)
    return best.name, {verdict.name: verdict.error for verdict in verdicts}


class Fast(GatheredAttention):
    name = "fast"


def test_the_fastest_is_taken() -> None:
    assert choose(slow=Slow, fast=Fast) == ("fast", {"slow": None, "fast": None})


def test_a_wrong_one_is_left_out_with_its_error() -> None:
    name, errors = choose(forgetful=Forgetful, nothing=Nothing, slow=Slow)
    assert name == "slow"
    assert (errors["forgetful"] or "").startswith("differs by")
    assert errors["nothing"] == "differs by nan"


def test_where_none_works_pages_are_gathered() -> None:
    name, errors = choose(missing=missing)
    assert name == "gathered"
    assert errors == {"missing": "ImportError: there is no such kernel"}


def test_without_flash_attention_3_there_is_no_varlen() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine may have it")
    name, errors = choose(varlen=build_varlen)
    assert name == "gathered"
    assert "flash_attn_interface" in (errors["varlen"] or "")


def varlen_by_its_docs(
    query: Tensor, key: Tensor, value: Tensor, *bounds: Any, **options: Any
) -> Tensor:
    """torch's `varlen_attn` as its documentation tells it: (left, 0) is causal, left counted
    without the token itself, -1 without bound; one sequence and head at a time."""
    cu_seq_q, cu_seq_k, max_q, max_k = bounds
    seqused_k, block_table, scale = (
        options[name] for name in ("seqused_k", "block_table", "scale")
    )
    assert cu_seq_k is None
    assert query.is_contiguous()
    assert {t.dtype for t in (cu_seq_q, seqused_k, block_table)} == {torch.int32}
    assert options["enable_gqa"] or query.shape[1] == key.shape[2]
    left, right = options["window_size"]
    assert right == 0
    out = torch.zeros_like(query)
    groups = query.shape[1] // key.shape[2]
    for row, length in enumerate(seqused_k.tolist()):
        first, last = cu_seq_q[row : row + 2].tolist()
        assert last - first <= max_q
        assert length <= max_k
        k, v = (t[block_table[row]].flatten(0, 1)[:length] for t in (key, value))  # (L, Hkv, D)
        for at in range(first, last):
            end = length - (last - at) + 1
            begin = 0 if left < 0 else max(0, end - 1 - left)
            for head in range(query.shape[1]):
                scores = k[begin:end, head // groups] @ query[at, head] * scale
                out[at, head] = scores.softmax(0) @ v[begin:end, head // groups]
    return out


@pytest.mark.parametrize("window", [None, 1, 7])
@pytest.mark.parametrize("num_kv_heads", [1, 4])
def test_varlen_is_asked_in_its_own_terms(window: int | None, num_kv_heads: int) -> None:
    drawn = draw(
        Case(lengths=((20, 1), (5, 6)), window=window, num_kv_heads=num_kv_heads, padding=2)
    )
    found = drawn.attend(VarlenAttention(varlen_by_its_docs))
    torch.testing.assert_close(found, drawn.expected(), rtol=1e-4, atol=1e-5)
