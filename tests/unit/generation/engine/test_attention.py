"""Attention against arithmetic written out: groups, windows, one row and many."""

import pytest
import torch
from torch import Tensor

from generation.engine.attention import LayerAttention, PackedContext, attend, visibility

NUM_HEADS, NUM_KV_HEADS, HEAD_DIM = 6, 2, 8


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def written_out(q: Tensor, k: Tensor, v: Tensor, layer: LayerAttention) -> Tensor:
    """Softmax over each head's visible keys, a token and a head at a time."""
    num_new, num_heads, _ = q.shape
    num_kv_heads, length, _ = k.shape
    out = torch.empty(q.shape)
    for row in range(num_new):
        at = length - num_new + row
        first = 0 if layer.window is None else max(0, at + 1 - layer.window)
        for head in range(num_heads):
            shared = head // (num_heads // num_kv_heads)
            keys, values = k[shared, first : at + 1], v[shared, first : at + 1]
            weights = (keys @ q[row, head] * layer.scale).softmax(0)
            out[row, head] = weights @ values
    return out.flatten(1)


@pytest.mark.parametrize("window", [None, 1, 3, 9, 50])
@pytest.mark.parametrize(("num_new", "length"), [(1, 1), (1, 9), (4, 4), (9, 9), (3, 9)])
def test_the_last_tokens_see_what_they_may(num_new: int, length: int, window: int | None) -> None:
    layer = LayerAttention(0, 0.3, window)
    q = draw(num_new, NUM_HEADS, HEAD_DIM)
    k, v = (draw(NUM_KV_HEADS, length, HEAD_DIM, seed=seed) for seed in (1, 2))
    expected = written_out(q, k, v, layer)
    assert (attend(q, k, v, layer) - expected).abs().max() < 1e-5


@pytest.mark.parametrize("window", [None, 3])
def test_every_token_of_a_chunk_sees_what_it_would_see_alone(window: int | None) -> None:
    layer = LayerAttention(0, 0.3, window)
    q = draw(5, NUM_HEADS, HEAD_DIM)
    k, v = (draw(NUM_KV_HEADS, 11, HEAD_DIM, seed=seed) for seed in (1, 2))
    together = attend(q, k, v, layer)
    for row in range(5):
        end = 11 - 5 + row + 1
        alone = attend(q[row : row + 1], k[:, :end], v[:, :end], layer)
        assert (together[row] - alone[0]).abs().max() < 1e-5


@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("lengths", [[6], [4, 1, 7], [5, 5, 5], [3, 3, 8, 1, 1]])
def test_packed_sequences_do_not_see_each_other(lengths: list[int], window: int | None) -> None:
    layer = LayerAttention(0, 0.3, window)
    num_tokens = sum(lengths)
    q = draw(num_tokens, NUM_HEADS, HEAD_DIM)
    k, v = (draw(num_tokens, NUM_KV_HEADS, HEAD_DIM, seed=seed) for seed in (1, 2))
    packed = PackedContext(lengths).attend(layer, q, k, v)
    parts = zip(*(torch.split(each, lengths) for each in (q, k, v)), strict=True)
    alone = [
        written_out(q, k.transpose(0, 1), v.transpose(0, 1), layer).float() for q, k, v in parts
    ]
    assert (packed - torch.cat(alone)).abs().max() < 1e-5


def test_plain_causal_attention_needs_no_mask() -> None:
    like = torch.zeros(1)
    assert visibility(5, 5, window=None, like=like) is None
    assert visibility(5, 5, window=5, like=like) is None
    assert visibility(5, 5, window=4, like=like) is not None


def test_a_mask_hides_what_comes_later_and_what_is_out_of_the_window() -> None:
    mask = visibility(2, 5, window=3, like=torch.zeros(1))
    assert mask is not None
    assert (mask == 0).int().tolist() == [[0, 1, 1, 1, 0], [0, 0, 1, 1, 1]]
    assert mask.isneginf().logical_or(mask == 0).all()
