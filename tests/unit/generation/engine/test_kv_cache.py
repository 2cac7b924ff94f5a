"""Keys and values in pages: wherever the pages lie, attention sees one sequence."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from generation.engine.errors import ContextOverflowError
from generation.engine.kv_cache import KVCache, Span
from generation.engine.model import Transformer
from tests.unit.generation.engine.fakes import FAMILIES, StaticContext, whole
from tests.unit.generation.engine.tiny import tiny_config, tiny_transformer

PAGE = 4
TOKENS = [5, 17, 3, 90, 41, 5, 17, 8, 66, 2, 31, 77, 12, 12, 60, 1, 33]
IN_A_RUN = [2, 3, 4, 5, 6]
SCATTERED = [7, 1, 5, 0, 9]
NEARLY_A_RUN = [4, 5, 7, 6, 8]  # its ends are as far apart as a run's

pytestmark = pytest.mark.usefixtures("_inference")


@pytest.fixture
def _inference() -> object:
    with torch.inference_mode():
        yield


@pytest.fixture(params=FAMILIES)
def model(request: pytest.FixtureRequest) -> Transformer:
    return tiny_transformer(**FAMILIES[request.param])


def new_cache(model: Transformer, *, num_pages: int = 10) -> KVCache:
    return KVCache(model.config, num_pages=num_pages, page_size=PAGE, dtype=torch.float32)


def paged(
    model: Transformer, cache: KVCache, pages: Sequence[int], *, start: int, end: int
) -> Tensor:
    """Logits of TOKENS[start:end], with those before in the cache."""
    context = cache.context([Span(pages, start, end)])
    positions = torch.arange(start, end)
    return model.logits(model(torch.tensor(TOKENS[start:end]), positions, context))


@pytest.mark.parametrize("pages", [IN_A_RUN, SCATTERED, NEARLY_A_RUN])
@pytest.mark.parametrize("chunk", [1, 3, 4, len(TOKENS)])
def test_cached_equals_uncached(model: Transformer, pages: list[int], chunk: int) -> None:
    cache = new_cache(model)
    ends = [*range(0, len(TOKENS), chunk), len(TOKENS)]
    steps = [paged(model, cache, pages, start=start, end=end) for start, end in pairwise(ends)]
    assert (torch.cat(steps) - whole(model, TOKENS)).abs().max() < 1e-4


@pytest.mark.parametrize("pages", [IN_A_RUN, SCATTERED])
def test_paged_equals_static(model: Transformer, pages: list[int]) -> None:
    cache, static = new_cache(model), StaticContext(model.config)
    for start, end in ((0, 6), (6, 7), (7, 8), (8, 13), (13, 17)):
        ours = paged(model, cache, pages, start=start, end=end)
        ids, positions = torch.tensor(TOKENS[start:end]), torch.arange(start, end)
        theirs = model.logits(model(ids, positions, static))
        assert (ours - theirs).abs().max() < 1e-5


def test_pages_that_were_used_before_hold_nothing_of_it(model: Transformer) -> None:
    cache = new_cache(model)
    paged(model, cache, SCATTERED, start=0, end=17)
    for number in range(len(cache.keys)):
        cache.keys[number].fill_(torch.nan)
        cache.values[number].fill_(torch.nan)
    again = paged(model, cache, IN_A_RUN, start=0, end=5)
    assert (again - whole(model, TOKENS[:5])).abs().max() < 1e-4


def test_sequences_of_one_batch_share_pages_and_see_only_their_own(model: Transformer) -> None:
    cache = new_cache(model)
    paged(model, cache, [3, 8], start=0, end=8)  # what both begin with
    mine, other = [*TOKENS[:8], 50, 51], [*TOKENS[:8], 60]
    context = cache.context([Span([3, 8, 1], 8, 10), Span([3, 8, 0], 8, 9)])
    tokens, positions = torch.tensor([50, 51, 60]), torch.tensor([8, 9, 8])
    both = model.logits(model(tokens, positions, context))
    expected = torch.cat((whole(model, mine)[8:], whole(model, other)[8:]))
    assert (both - expected).abs().max() < 1e-4


def test_neighbouring_pages_are_read_in_place() -> None:
    cache = KVCache(tiny_config(), num_pages=10, page_size=PAGE, dtype=torch.float32)
    assert cache.slots(IN_A_RUN, 0, 17) == slice(8, 25)
    assert cache.slots(IN_A_RUN, 5, 6) == slice(13, 14)


def test_scattered_pages_are_read_slot_by_slot() -> None:
    cache = KVCache(tiny_config(), num_pages=10, page_size=PAGE, dtype=torch.float32)
    slots = cache.slots(SCATTERED, 2, 9)
    assert isinstance(slots, Tensor)
    assert slots.tolist() == [30, 31, 4, 5, 6, 7, 20]
    assert cache.slots(SCATTERED, 5, 7) == slice(5, 7)  # within one page


def test_pages_out_of_order_are_no_run() -> None:
    cache = KVCache(tiny_config(), num_pages=10, page_size=PAGE, dtype=torch.float32)
    slots = cache.slots(NEARLY_A_RUN, 0, 20)
    assert isinstance(slots, Tensor)
    assert slots[8:16].tolist() == [28, 29, 30, 31, 24, 25, 26, 27]


def test_a_write_past_the_pages_is_refused_with_both_numbers() -> None:
    cache = KVCache(tiny_config(), num_pages=10, page_size=PAGE, dtype=torch.float32)
    with pytest.raises(ContextOverflowError, match="9 tokens do not fit into 2 pages of 4"):
        cache.context([Span([0, 1], 0, 9)])
