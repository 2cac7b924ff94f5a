"""The cache counts what was computed and refuses what does not fit."""

import pytest
import torch

from generation.engine import ContextOverflowError, KVCache
from tests.unit.generation.engine.tiny import tiny_config


@pytest.fixture
def cache() -> KVCache:
    return KVCache(tiny_config(), max_tokens=4, dtype=torch.float32)


def rows(num_tokens: int, value: float = 1.0) -> torch.Tensor:
    return torch.full((2, num_tokens, 16), value)


def test_tokens_count_only_after_advance(cache: KVCache) -> None:
    cache.append(0, rows(3), rows(3))
    assert cache.length == 0
    cache.advance(3)
    assert cache.length == 3


def test_append_returns_old_and_new_rows(cache: KVCache) -> None:
    cache.append(0, rows(2, 1.0), rows(2, 2.0))
    cache.advance(2)
    keys, values = cache.append(0, rows(1, 3.0), rows(1, 4.0))
    assert keys[0, :, 0].tolist() == [1.0, 1.0, 3.0]
    assert values[0, :, 0].tolist() == [2.0, 2.0, 4.0]


def test_overflow_is_refused_with_both_numbers(cache: KVCache) -> None:
    with pytest.raises(ContextOverflowError, match="5 tokens do not fit into a cache of 4"):
        cache.append(0, rows(5), rows(5))
    with pytest.raises(ContextOverflowError, match="cannot advance 5 tokens from 0 of 4"):
        cache.advance(5)


def test_truncate_only_forgets(cache: KVCache) -> None:
    cache.advance(3)
    cache.truncate(1)
    assert cache.length == 1
    with pytest.raises(ContextOverflowError, match="cannot truncate to 2"):
        cache.truncate(2)
