"""Pages are shared by those whose tokens begin alike, cached when let go, and never lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.engine.pages import OutOfPagesError, PageAccountingError, PagePool

SIZE = 4


def pool_of(num_pages: int) -> PagePool:
    return PagePool(num_pages, page_size=SIZE)


def hold(pool: PagePool, tokens: list[int], *, owner: str = "", room: int = 0) -> list[int]:
    """Pages for `tokens`, shared where known, with the full ones registered."""
    pages = pool.find_prefix(tokens, owner=owner)
    pool.share(pages)
    num_known = len(pages)
    missing = pool.num_pages_for(len(tokens)) - num_known
    pages += pool.allocate(missing, after=pages[-1] if pages else None, room=room)
    for index in range(num_known, len(tokens) // SIZE):
        pool.register(
            pages[index],
            tokens[index * SIZE : (index + 1) * SIZE],
            after=pages[index - 1] if index else None,
            owner=owner,
        )
    pool.check()
    return pages


def test_a_prefix_is_found_in_whole_pages() -> None:
    pool = pool_of(8)
    pages = hold(pool, list(range(10)))
    assert pool.find_prefix(list(range(10)), owner="") == pages[:2]
    assert pool.find_prefix([*range(6), 99, 99], owner="") == pages[:1]
    assert pool.find_prefix([99, *range(1, 8)], owner="") == []
    assert pool.find_prefix(list(range(3)), owner="") == []


def test_a_page_counts_only_after_the_same_beginning() -> None:
    pool = pool_of(8)
    hold(pool, [1, 1, 1, 1, 2, 2, 2, 2])
    assert pool.find_prefix([2, 2, 2, 2], owner="") == []


def test_tenants_never_find_each_others_pages() -> None:
    pool = pool_of(8)
    hold(pool, list(range(8)), owner="north")
    assert pool.find_prefix(list(range(8)), owner="south") == []
    assert len(pool.find_prefix(list(range(8)), owner="north")) == 2


def test_a_released_page_is_found_until_its_room_is_needed() -> None:
    pool = pool_of(4)
    pages = hold(pool, list(range(8)))
    pool.release(pages)
    assert pool.num_free == 4
    assert pool.usage == 0
    assert pool.find_prefix(list(range(8)), owner="") == pages
    pool.allocate(4)
    assert pool.find_prefix(list(range(8)), owner="") == []
    pool.check()


def test_an_unfilled_page_is_free_as_soon_as_it_is_released() -> None:
    pool = pool_of(2)
    pages = hold(pool, list(range(6)))
    pool.release(pages)
    [again] = pool.allocate(1)
    assert again == pages[1]
    assert pool.find_prefix(list(range(6)), owner="") == pages[:1]


def test_the_least_recently_held_page_is_evicted_first() -> None:
    pool = pool_of(3)
    for token in range(3):
        pool.release(hold(pool, [token] * SIZE))
    pool.release(hold(pool, [0] * SIZE))
    pool.allocate(1)
    known = [bool(pool.find_prefix([token] * SIZE, owner="")) for token in range(3)]
    assert known == [True, False, True]


def test_the_end_of_a_prefix_is_evicted_before_its_beginning() -> None:
    pool = pool_of(3)
    pages = hold(pool, list(range(12)))
    pool.release(pages)
    pool.allocate(1)
    assert pool.find_prefix(list(range(12)), owner="") == pages[:2]


def test_a_held_page_is_never_evicted() -> None:
    pool = pool_of(3)
    pages = hold(pool, list(range(8)))
    shared = hold(pool, list(range(8)))
    assert shared == pages
    pool.release(pages)
    assert pool.num_free == 1
    with pytest.raises(OutOfPagesError, match="2 pages were asked for and 1 of 3 are free"):
        pool.allocate(2)
    pool.check([shared])


def test_of_two_pages_with_the_same_tokens_the_first_is_found() -> None:
    pool = pool_of(4)
    [first] = pool.allocate(1)
    [second] = pool.allocate(1)
    for page in (first, second):
        pool.register(page, [7] * SIZE, after=None, owner="")
    assert pool.find_prefix([7] * SIZE, owner="") == [first]
    pool.release([second])
    pool.check([[first]])
    assert pool.find_prefix([7] * SIZE, owner="") == [first]


def test_the_second_page_takes_over_where_the_first_was_evicted() -> None:
    pool = pool_of(2)
    [first], [second] = pool.allocate(1), pool.allocate(1)
    for page in (first, second):
        pool.register(page, [7] * SIZE, after=None, owner="")
    pool.release([first])
    pool.allocate(1)
    assert pool.find_prefix([7] * SIZE, owner="") == []
    pool.release([second])
    assert pool.find_prefix([7] * SIZE, owner="") == [second]
    pool.check()


def test_using_a_page_under_another_name_keeps_it_warm() -> None:
    pool = pool_of(3)
    twins = pool.allocate(1) + pool.allocate(1)
    for page in twins:
        pool.register(page, [7] * SIZE, after=None, owner="")
    other = hold(pool, [8] * SIZE)
    pool.release(twins[:1])
    pool.release(other)
    pool.release(twins[1:])
    pool.allocate(2)
    assert pool.find_prefix([7] * SIZE, owner="") == twins[:1]
    assert pool.find_prefix([8] * SIZE, owner="") == []


def test_a_page_cannot_be_registered_after_an_unknown_one() -> None:
    pool = pool_of(2)
    first, second = pool.allocate(2)
    with pytest.raises(PageAccountingError, match=r"follows page 0, which is not registered"):
        pool.register(second, [7] * SIZE, after=first, owner="")


def test_a_run_grows_in_place_beside_others() -> None:
    pool = pool_of(12)
    one = pool.allocate(1, room=4)
    two = pool.allocate(1, room=4)
    for left in range(3, 0, -1):
        one += pool.allocate(1, after=one[-1], room=left)
        two += pool.allocate(1, after=two[-1], room=left)
    assert one == [0, 1, 2, 3]
    assert two == [4, 5, 6, 7]
    pool.check([one, two])


def test_a_new_run_begins_where_it_fits_whole() -> None:
    pool = pool_of(12)
    pages = [pool.allocate(2, room=2), pool.allocate(3, room=3), pool.allocate(1, room=1)]
    pool.release(pages[0])
    assert pool.allocate(1, room=3) == [6]


def test_pages_know_how_far_their_run_can_go_on() -> None:
    pool = pool_of(12)
    pages = pool.allocate(3)
    assert pool.room_after(pages) == 9
    pool.allocate(1, room=4)
    assert pool.room_after(pages) == 0
    assert pool.room_after([pages[0], pages[2]]) == 0


def test_a_run_that_another_means_to_grow_into_has_no_room() -> None:
    pool = pool_of(12)
    [page] = pool.allocate(1, room=6)
    assert pool.room_after([page]) == 5
    pool.register(page, [7] * SIZE, after=None, owner="")
    pool.share(pool.find_prefix([7] * SIZE, owner=""))
    assert pool.room_after([page]) == 0


def test_an_earmark_ends_with_its_run() -> None:
    pool = pool_of(8)
    pages = pool.allocate(1, room=8)
    pool.release(pages)
    assert pool.allocate(8) == list(range(8))
    pool.check()


def test_earmarked_pages_are_used_rather_than_refused() -> None:
    pool = pool_of(8)
    one = pool.allocate(1, room=8)
    two = pool.allocate(3, room=3)
    assert two == [4, 5, 6]  # from the middle: both can grow
    one += pool.allocate(4, after=one[-1])
    assert sorted(one + two) == list(range(8))
    pool.check([one, two])


def test_cold_pages_make_way_for_a_run_rather_than_scatter_it() -> None:
    pool = pool_of(8)
    held = [hold(pool, [token] * SIZE) for token in range(8)]
    for page in (5, 4, 1, 7, 3, 6):
        pool.release(held[page])
    assert pool.allocate(2, room=2) == [4, 5]
    known = [token for token in range(8) if pool.find_prefix([token] * SIZE, owner="")]
    assert known == [0, 1, 2, 3, 6, 7]


def test_no_more_is_evicted_than_was_asked_for() -> None:
    pool = pool_of(9)
    held = [hold(pool, [token] * SIZE) for token in range(9)]
    for page in range(0, 9, 2):
        pool.release(held[page])
    pages = pool.allocate(1, room=3)
    assert pages == [0]
    assert pool.find_prefix([8] * SIZE, owner="") == [8]
    assert pool.num_free == 4
    pool.check()


def test_where_runs_are_not_kept_nothing_is_evicted_while_a_page_is_free() -> None:
    pool = PagePool(8, page_size=SIZE, keeps_runs=False)
    held = [hold(pool, [token] * SIZE) for token in range(6)]
    for page in (4, 1, 3):
        pool.release(held[page])
    assert pool.allocate(2, room=6) == [6, 7]
    assert pool.allocate(1, room=6) == [4]
    known = [token for token in range(6) if pool.find_prefix([token] * SIZE, owner="")]
    assert known == [0, 1, 2, 3, 5]
    pool.check()


def test_asking_for_what_would_be_freed_counts_shared_pages_once_all_let_go() -> None:
    pool = pool_of(8)
    one, two = hold(pool, list(range(10))), hold(pool, [*range(8), 50, 51])
    assert pool.num_freed_by([one]) == 1
    assert pool.num_freed_by([one, two]) == 4
    assert pool.num_freed_by([]) == 0


def test_check_names_the_page_whose_accounts_are_wrong() -> None:
    pool = pool_of(4)
    pages = pool.allocate(2)
    pool.check([pages])
    with pytest.raises(PageAccountingError, match="page 1: 0 hold it, not 1"):
        pool.check([pages[:1]])
    pool._num_holders[3] = 1
    with pytest.raises(PageAccountingError, match="page 3 must be one of held"):
        pool.check()


@given(
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=12),
    order=st.randoms(use_true_random=False),
    num_pages=st.integers(5, 24),
)
@settings(deadline=None)
def test_every_page_comes_back(lengths: list[int], order: object, num_pages: int) -> None:
    pool = pool_of(num_pages)
    held: list[list[int]] = []
    for index, length in enumerate(lengths):
        tokens = [index % 2] * length
        while held and not pool.can_allocate(pool.num_pages_for(length)):
            pool.release(held.pop(order.randrange(len(held))))  # type: ignore[attr-defined]
        held.append(hold(pool, tokens, room=index))
        pool.check(held)
    for pages in held:
        pool.release(pages)
    pool.check([])
    assert pool.num_free == num_pages


def test_cached_pages_can_be_dropped_and_held_ones_stay() -> None:
    pool = pool_of(16)
    cold, warm = list(range(32)), list(range(100, 132))
    pool.release(hold(pool, cold))
    held = hold(pool, warm)
    pool.drop_cached()
    assert pool.find_prefix(cold, owner="") == []
    assert pool.find_prefix(warm, owner="") == held
    assert pool.num_free == 8
    pool.check([held])
