"""Which vectors of a segment a search may find: masks, made once and kept. Pure arrays."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

import faiss
import numpy as np
import numpy.typing as npt

from core.access import Access
from core.ids import CollectionId
from core.segments import Segment
from retrieval.types import ChunkIds

# Masks kept a segment: a bit and a byte a vector each, for the callers seen last.
_KEPT_MASKS: Final = 32


@dataclass(frozen=True, slots=True)
class Selection:
    """Some of the N vectors of a segment: `mask` is (N,) bool, `selector` what FAISS reads.

    `selector` is None where every vector is selected.
    """

    mask: npt.NDArray[np.bool_]
    count: int
    selector: Any  # faiss.IDSelector
    _parameters: dict[int, Any] = field(default_factory=dict, compare=False, repr=False)

    def parameters(self, num_probes: int) -> Any:
        """How FAISS is to search: in so many of its lists, or in all there is where that is 0."""
        kept = self._parameters.get(num_probes)
        if kept is None:
            kept = self._parameters[num_probes] = self._build_parameters(num_probes)
        return kept

    def _build_parameters(self, num_probes: int) -> Any:
        if num_probes:
            return faiss.SearchParametersIVF(sel=self.selector, nprobe=num_probes)
        return faiss.SearchParameters(sel=self.selector)

    @classmethod
    def of(cls, mask: npt.NDArray[np.bool_]) -> "Selection":
        """The vectors whose bit is set."""
        count = int(np.count_nonzero(mask))
        selector = None
        if count < len(mask):
            # The selector keeps the bits alive that FAISS reads while it searches.
            selector = faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
        return cls(mask, count, selector)


class OpenSegment:
    """A segment, which of its N vectors still stand for a chunk, and who may see which.

    `live` is (N,) bool and never changed. Thread-safe.
    """

    def __init__(self, segment: Segment, live: npt.NDArray[np.bool_]) -> None:
        self.segment = segment
        self.live = live
        self._lock = threading.Lock()
        self._kept: OrderedDict[frozenset[CollectionId] | None, Selection] = OrderedDict()

    @classmethod
    def without(cls, segment: Segment, deleted: ChunkIds) -> "OpenSegment":
        """The segment with these chunks masked."""
        live = np.ones(len(segment.chunk_ids), dtype=np.bool_)
        live[segment.positions_of(deleted)] = False
        return cls(segment, live)

    def masking(self, deleted: ChunkIds) -> "OpenSegment":
        """The same segment with more chunks masked; itself where it holds none of them."""
        positions = self.segment.positions_of(deleted)
        if not len(positions):
            return self
        live = self.live.copy()
        live[positions] = False
        return OpenSegment(self.segment, live)

    def select(self, access: Access, allowed: ChunkIds | None = None) -> Selection:
        """The vectors that this caller may find, among `allowed` where that is given."""
        visible = self._visible_to(access)
        if allowed is None:
            return visible
        mask = np.zeros(len(self.live), dtype=np.bool_)
        positions = self.segment.positions_of(allowed)
        mask[positions] = visible.mask[positions]
        return Selection.of(mask)

    def _visible_to(self, access: Access) -> Selection:
        key = access.collection_ids
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
                return kept
        made = Selection.of(self._mask_of(access))
        with self._lock:
            self._kept[key] = made
            if len(self._kept) > _KEPT_MASKS:
                self._kept.popitem(last=False)
        return made

    def _mask_of(self, access: Access) -> npt.NDArray[np.bool_]:
        if access.collection_ids is None:
            return self.live
        allowed = np.array([access.allows(name) for name in self.segment.collection_ids])
        if allowed.all():
            return self.live
        visible: npt.NDArray[np.bool_] = self.live & allowed[self.segment.collection_codes]
        return visible
