"""Every token is learnt from once a round, and no sequence sees another."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from generation.engine.attention import LayerAttention, PackedContext
from generation.engine.model import Transformer
from generation.training.errors import DataError
from generation.training.held_out import Validation, split_documents
from generation.training.packing import (
    PackedBatch,
    Windows,
    WindowStream,
    cut_windows,
    pack,
    pack_in_order,
)
from generation.training.tokens import TokenStore
from tests.unit.generation.training.texts import tiny_options


def build_store(sizes: list[int]) -> TokenStore:
    """Documents whose every token is unique."""
    ends = np.cumsum(np.array(sizes, dtype=np.int64))
    ids = np.arange(ends[-1], dtype=np.uint32)
    return TokenStore(ids, ends, np.array(sizes, dtype=np.int64), [])


def pairs_of(batches: list[PackedBatch]) -> list[tuple[int, int]]:
    """Every input token with its target."""
    return [
        pair
        for batch in batches
        for pair in zip(batch.tokens.tolist(), batch.targets.tolist(), strict=True)
    ]


def windows_of(store: TokenStore, *, context: int) -> Windows:
    return cut_windows(store, np.arange(store.num_documents), context=context)


@given(
    sizes=st.lists(st.integers(2, 40), min_size=1, max_size=8),
    context=st.integers(2, 12),
    spare=st.integers(0, 30),
)
def test_every_token_but_a_first_is_predicted_once_from_the_one_before(
    sizes: list[int], context: int, spare: int
) -> None:
    store = build_store(sizes)
    windows = windows_of(store, context=context)
    batches = list(pack_in_order(store.ids, windows, pass_tokens=context + spare))

    firsts = set(store.starts().tolist())
    expected = [(i - 1, i) for i in range(len(store.ids)) if i not in firsts]
    assert sorted(pairs_of(batches)) == expected
    assert windows.num_targets == len(expected)
    for batch in batches:
        assert batch.num_tokens == batch.num_targets == sum(batch.lengths) <= context + spare
        assert max(batch.lengths) <= context
        parts = zip(torch.split(batch.positions, list(batch.lengths)), batch.lengths, strict=True)
        assert all(part.tolist() == list(range(length)) for part, length in parts)


def test_a_packed_batch_computes_what_each_document_does_alone() -> None:
    """Packing never attends across documents: not in values and not in gradients."""
    model = Transformer(tiny_options(Path()).build_config(vocab_size=50))
    model.init_weights(seed=0, std=0.3)
    documents = [np.array(ids) for ids in ([1, 2, 3, 4, 5, 6], [1, 9, 8, 7, 6, 5], [4, 4], [7, 7])]
    batch = pack(documents)
    assert batch.lengths == (5, 5, 1, 1)

    hidden = model(batch.tokens, batch.positions, PackedContext(batch.lengths))
    for packed, document in zip(torch.split(hidden, [5, 5, 1, 1]), documents, strict=True):
        alone = pack([document])
        expected = model(alone.tokens, alone.positions, PackedContext(alone.lengths))
        torch.testing.assert_close(packed, expected, rtol=1e-5, atol=1e-5)

    weights = model.embedding.weight
    (of_second,) = torch.autograd.grad(hidden[5:10].sum(), weights, retain_graph=True)
    assert of_second[[2, 3, 4]].abs().sum() == 0  # tokens of the first document alone
    assert of_second[[9, 8, 7, 6]].abs().sum() > 0


@pytest.mark.parametrize("window", [None, 3])
def test_equal_lengths_together_are_what_they_are_one_by_one(window: int | None) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(26, h, 8, generator=generator) for h in (4, 2, 2))
    layer = LayerAttention(0, 8**-0.5, window)
    lengths = [7, 7, 7, 2, 2, 1]
    together = PackedContext(lengths).attend(layer, q, k, v)
    parts = zip(*(torch.split(t, lengths) for t in (q, k, v)), strict=True)
    alone = [PackedContext([len(part[0])]).attend(layer, *part) for part in parts]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-6)


def stream_of(store: TokenStore, *, seed: int = 0) -> WindowStream:
    return WindowStream(
        store.ids, windows_of(store, context=6), batch_tokens=20, pass_tokens=12, seed=seed
    )


def test_a_step_holds_a_batch_and_a_pass_no_more_than_it_may() -> None:
    batches = stream_of(build_store([9, 30, 4, 17])).take_step()
    assert 20 <= sum(batch.num_tokens for batch in batches) < 20 + 6
    assert max(batch.num_tokens for batch in batches) <= 12


def test_a_round_shows_every_window_once_and_the_next_in_another_order() -> None:
    store = build_store([9, 30, 4, 17])
    stream = stream_of(store)
    num_windows = len(windows_of(store, context=6))
    taken = [stream._next_window().tolist() for _ in range(2 * num_windows)]
    first, second = taken[:num_windows], taken[num_windows:]
    assert sorted(first) == sorted(second)
    assert first != second
    assert [stream_of(store, seed=1)._next_window().tolist() for _ in first] != first


def test_a_stream_goes_on_from_its_position_as_if_never_left() -> None:
    store = build_store([9, 30, 4, 17])
    whole = stream_of(store)
    steps = [pairs_of(whole.take_step()) for _ in range(9)]
    for done in range(9):
        before = stream_of(store)
        for _ in range(done):
            before.take_step()
        after = stream_of(store)
        after.position = before.position
        assert [pairs_of(after.take_step()) for _ in range(9 - done)] == steps[done:]


def test_validation_takes_whole_documents_and_the_seed_decides_which() -> None:
    store = build_store([10] * 40)
    learned, held_out = split_documents(store, seed=0, held_out_share=0.1)
    assert sorted([*learned, *held_out]) == list(range(40))
    assert 4 <= len(held_out) <= 5
    again = split_documents(store, seed=0, held_out_share=0.1)
    assert again[1].tolist() == held_out.tolist()
    assert split_documents(store, seed=1, held_out_share=0.1)[1].tolist() != held_out.tolist()


def test_one_huge_document_among_small_ones_leaves_something_to_learn() -> None:
    for seed in range(5):
        sizes = split_documents(build_store([500, 10]), seed=seed, held_out_share=0.05)
        assert [len(part) for part in sizes] == [1, 1]


def test_one_document_alone_is_refused_with_a_remedy() -> None:
    with pytest.raises(DataError, match=r"only one document is left.*split the file"):
        split_documents(build_store([500]), seed=0, held_out_share=0.1)


def test_the_baseline_is_the_cross_entropy_of_token_frequencies() -> None:
    ids = np.array([0, 1, 1, 2, 0, 0, 1, 2, 0], dtype=np.uint16)
    store = TokenStore(ids, np.array([5, 9]), np.array([3, 2]), [])
    validation = Validation(store, np.array([1]), context=8, pass_tokens=8)
    # learnt: tokens 1 1 2 0 after the first, one more of each for smoothing: 2, 3, 2 of 7
    expected = -(np.log(3 / 7) + np.log(2 / 7) + np.log(2 / 7)) / 3
    assert validation.unigram_loss() == pytest.approx(expected)
    assert validation.bits_per_byte(np.log(2)) == pytest.approx(3 / 2)
