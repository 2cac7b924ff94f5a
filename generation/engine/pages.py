"""Who holds which page of the KV cache, and which pages hold what. Accounting only: no tensors.

A page is room for PAGE_SIZE tokens in every layer. A sequence holds a list of pages; a full one may
be held by several, and is never written again. It is known by a digest of its tokens, of all before
them and of its owner, a tenant with the adapter that computed it: another sequence of that owner
that begins alike finds it instead of computing it. A known page that nobody holds stays cached
until its room is needed: least recently held goes first.

Where attention over a run of neighbouring pages needs no copy, runs are worth having. There a
sequence says how much room it will want in all and is given the beginning of a run that long; the
rest of the run is earmarked, and others take it only where nothing else is free.
"""

from array import array
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import Final

from generation.engine.errors import EngineError

PAGE_SIZE: Final = 16

# what the map says of a page; free ones are nonzero
_TAKEN: Final = b"\x00"  # held, or cached
_FREE: Final = b"\x01"
_EARMARKED: Final = b"\x02"  # free, but the run before it means to grow into it


class OutOfPagesError(EngineError):
    """More pages were asked for than are free or cached: a scheduling mistake, ask first."""


class PageAccountingError(EngineError):
    """Two records of the pages contradict each other: a mistake in the engine, never user input."""


class PagePool:
    """`num_pages` pages, each free, cached or held. Not thread-safe.

    keeps_runs: evict and earmark so that a sequence's pages are neighbours. Without it no page is
        evicted while another is free.
    """

    def __init__(
        self, num_pages: int, *, page_size: int = PAGE_SIZE, keeps_runs: bool = True
    ) -> None:
        self.num_pages = num_pages
        self.keeps_runs = keeps_runs
        self.page_size = page_size
        self._map = bytearray(_FREE * num_pages)
        self._num_holders = [0] * num_pages
        self._digests: list[bytes | None] = [None] * num_pages
        self._known: dict[bytes, int] = {}
        self._cached: OrderedDict[int, None] = OrderedDict()  # next to be evicted first
        self._num_uncached = num_pages  # pages that are free and hold nothing known
        self._earmarks: dict[int, int] = {}  # by the last page of a run: where its earmark ends

    @property
    def num_free(self) -> int:
        """Pages that can be had, cached ones among them."""
        return self._num_uncached + len(self._cached)

    @property
    def usage(self) -> float:
        """The share of pages that sequences hold, 0 to 1."""
        return 1 - self.num_free / self.num_pages

    def num_pages_for(self, num_tokens: int) -> int:
        return -(-num_tokens // self.page_size)

    def can_allocate(self, num: int) -> bool:
        return num <= self.num_free

    def find_prefix(self, tokens: Sequence[int], *, owner: str) -> list[int]:
        """Pages that hold the longest known prefix of `tokens`, in whole pages. Changes nothing."""
        found: list[int] = []
        digest = _root(owner)
        for start in range(0, len(tokens) - self.page_size + 1, self.page_size):
            digest = _extend(digest, tokens[start : start + self.page_size])
            page = self._known.get(digest)
            if page is None:
                break
            found.append(page)
        return found

    def allocate(self, num: int, *, after: int | None = None, room: int = 0) -> list[int]:
        """`num` pages with one holder each. Raises OutOfPagesError and then takes none.

        after: the page that they should follow, the sequence's last so far.
        room: how many the sequence will want from here on, these among them.
        """
        if num <= 0:
            return []
        if not self.can_allocate(num):
            raise OutOfPagesError(
                f"{num} pages were asked for and {self.num_free} of {self.num_pages} are free"
            )
        if after is not None:
            self._drop_earmark(after)
        wanted = max(room, num) if self.keeps_runs else num
        num_to_keep = len(self._cached) - wanted
        pages: list[int] = []
        while len(pages) < num:
            in_one_run = wanted - len(pages) if self.keeps_runs else 1
            after = self._choose(after, room=in_one_run, num_to_keep=num_to_keep)
            self._take(after)
            pages.append(after)
        self._earmark(pages[-1], wanted - num)
        return pages

    def share(self, pages: Iterable[int]) -> None:
        """Add a holder to each of `pages`, which `find_prefix` has named."""
        for page in pages:
            if self._num_holders[page] == 0:
                del self._cached[page]
            self._num_holders[page] += 1

    def release(self, pages: Sequence[int]) -> None:
        """Take a holder off each of a sequence's `pages`, given in its order."""
        # last first: a page without those before it cannot be found, so it must be evicted sooner
        for page in reversed(pages):
            self._drop_earmark(page)
            self._num_holders[page] -= 1
            if self._num_holders[page] == 0:
                self._let_go(page)

    def register(self, page: int, tokens: Sequence[int], *, after: int | None, owner: str) -> None:
        """Make a full page findable by its `tokens`. It must not be written again.

        after: the page before it in its sequence, registered before; None for the first. Where
        another page is known to hold the same already, that one stays the one that is found.
        """
        parent = _root(owner) if after is None else self._digests[after]
        if parent is None:
            raise PageAccountingError(f"page {page} follows page {after}, which is not registered")
        digest = _extend(parent, tokens)
        self._digests[page] = digest
        self._known.setdefault(digest, page)

    def drop_cached(self) -> None:
        """Free every page that nobody holds: what it held has to be computed again."""
        for page in self._cached:
            self._forget(page)
            self._set_free(page)
        self._cached.clear()

    def is_registered(self, page: int) -> bool:
        return self._digests[page] is not None

    def room_after(self, pages: Sequence[int]) -> int:
        """How many pages more a sequence can have in one run with its `pages`; 0 for no run."""
        last = pages[-1]
        if last - pages[0] != len(pages) - 1 or any(b - a != 1 for a, b in pairwise(pages)):
            return 0
        if last in self._earmarks:
            is_own = self._num_holders[last] == 1  # else whoever took it means to grow there
            return self._earmarks[last] - last - 1 if is_own else 0
        return _num_leading(self._map[last + 1 :], _FREE)

    def num_freed_by(self, holders: Iterable[Sequence[int]]) -> int:
        """Pages that could be had in addition if all `holders`, lists of pages, were released."""
        counts = Counter(page for pages in holders for page in pages)
        return sum(self._num_holders[page] == count for page, count in counts.items())

    def check(self, holders: Iterable[Sequence[int]] | None = None) -> None:
        """Raise PageAccountingError where records disagree; `holders`: all lists of pages held."""
        for page in range(self.num_pages):
            self._check_page(page)
        for digest, page in self._known.items():
            _require(self._digests[page] == digest, f"page {page} is found by a wrong digest")
        num_uncached = self.num_pages - self._map.count(_TAKEN)
        _require(
            self._num_uncached == num_uncached,
            f"{num_uncached} pages are free and {self._num_uncached} are counted",
        )
        for last in self._earmarks:
            _require(self._num_holders[last] > 0, f"page {last} is not held but has an earmark")
        if holders is not None:
            counts = Counter(page for pages in holders for page in pages)
            for page, num in enumerate(self._num_holders):
                _require(num == counts[page], f"page {page}: {counts[page]} hold it, not {num}")

    def _check_page(self, page: int) -> None:
        held, cached = self._num_holders[page] > 0, page in self._cached
        free = self._map[page] != _TAKEN[0]
        _require(
            held + cached + free == 1,
            f"page {page} must be one of held ({held}), cached ({cached}) and free ({free})",
        )
        digest = self._digests[page]
        _require(not (free and digest), f"page {page} is free but still known")
        if cached:
            found = digest is not None and self._known.get(digest) == page
            _require(found, f"page {page} is cached but cannot be found")

    def _choose(self, after: int | None, *, room: int, num_to_keep: int) -> int:
        """The page after `after` where it is free, else where a run of `room` pages begins.

        Cached pages are evicted for such a run even while single pages lie free here and there:
        a scattered sequence is slow at every step, and the coldest pages are seldom asked for
        again. At least `num_to_keep` stay cached; then the longest run that is free must do.
        """
        if after is not None and after + 1 < self.num_pages and self._map[after + 1]:
            return after + 1
        start = self._map.find(_FREE * room)
        if start < 0:
            start = self._evict_run(room, num_to_keep=num_to_keep)
        if start < 0:
            start, _ = _longest_run(self._map, _FREE)
        if start < 0:  # in the middle, so that both runs can still grow
            start, length = _longest_run(self._map, _EARMARKED)
            start += length // 2
        return start

    def _evict_run(self, room: int, *, num_to_keep: int) -> int:
        """Evict the coldest pages until a run of `room` is free; where it begins, or -1."""
        while len(self._cached) > max(0, num_to_keep):
            page, _ = self._cached.popitem(last=False)
            self._forget(page)
            self._set_free(page)
            left, right = self._map[max(0, page - room) : page], self._map[page : page + room]
            start = page - _num_trailing(left, _FREE)
            if page + _num_leading(right, _FREE) - start >= room:
                return start
        return -1

    def _take(self, page: int) -> None:
        self._map[page : page + 1] = _TAKEN
        self._num_uncached -= 1
        self._num_holders[page] = 1

    def _let_go(self, page: int) -> None:
        """Cache a page that nobody holds any more, or free it where that is of no use."""
        digest = self._digests[page]
        known = page if digest is None else self._known.setdefault(digest, page)
        if digest is not None and known == page:
            self._cached[page] = None
            return
        if digest is not None and known in self._cached:
            self._cached.move_to_end(known)  # it was of use, under another page's name
        self._digests[page] = None
        self._set_free(page)

    def _forget(self, page: int) -> None:
        digest = self._digests[page]
        if digest is not None:
            del self._known[digest]
        self._digests[page] = None

    def _set_free(self, page: int) -> None:
        self._map[page : page + 1] = _FREE
        self._num_uncached += 1

    def _earmark(self, last: int, num: int) -> None:
        """Mark up to `num` free pages right after `last` as its to grow into."""
        start = last + 1
        length = _num_leading(self._map[start : start + max(0, num)], _FREE)
        if length:
            self._map[start : start + length] = _EARMARKED * length
            self._earmarks[last] = start + length

    def _drop_earmark(self, last: int) -> None:
        end = self._earmarks.pop(last, None)
        if end is not None:
            marked = self._map[last + 1 : end]
            self._map[last + 1 : end] = marked.replace(_EARMARKED, _FREE)


def _root(owner: str) -> bytes:
    """Where an owner's chains begin. No page of another owner's can have the same digest."""
    return blake2b(owner.encode("utf-8", "surrogatepass"), digest_size=32, person=b"root").digest()


def _extend(parent: bytes, tokens: Sequence[int]) -> bytes:
    # cryptographic: whoever could make two pages collide would read another request's context
    return blake2b(parent + array("I", tokens).tobytes(), digest_size=32, person=b"page").digest()


def _longest_run(pages: bytearray, kind: bytes) -> tuple[int, int]:
    """Start and length of the longest run of `kind`; (-1, 0) where there is none."""
    best_start, best_length = -1, 0
    start = pages.find(kind)
    while start >= 0:
        length = _num_leading(pages[start:], kind)
        if length > best_length:
            best_start, best_length = start, length
        start = pages.find(kind, start + length)
    return best_start, best_length


def _num_leading(pages: bytearray, kind: bytes) -> int:
    return len(pages) - len(pages.lstrip(kind))


def _num_trailing(pages: bytearray, kind: bytes) -> int:
    return len(pages) - len(pages.rstrip(kind))


def _require(condition: bool, fact: str) -> None:  # noqa: FBT001  # reads as a sentence
    if not condition:
        raise PageAccountingError(fact)
