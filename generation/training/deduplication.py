"""Find texts that came before, exactly or nearly. Linear in the text; reads no files.

Near means that about 80% of the overlapping runs of 16 characters are shared, whatever the
language. Runs are hashed once and sorted into 128 bins; the least hash of every bin is the text's
sketch (one permutation hashing: Li, Owen and Zhang 2012; empty bins borrow from their right
neighbour: Shrivastava and Li 2014). The share of equal bins estimates the share of equal runs, to
0.035. Sketches are compared only with texts that agree on one of 16 bands of 8 bins: at 80%, 95 of
100 pairs meet; at 90%, all do.
"""

import hashlib
import re
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

RUN_CHARS: Final = 16
NUM_BINS: Final = 128
NUM_BANDS: Final = 16
MIN_AGREEMENT: Final = 0.8

_BAND_BINS: Final = NUM_BINS // NUM_BANDS
_EMPTY: Final = np.uint64(2**64 - 1)
_SPACES: Final = re.compile(r"\s+")

Sketch = NDArray[np.uint64]  # (NUM_BINS,)
Verdict = Literal["new", "exact", "near"]


class Deduplicator:
    """Remembers every new text by its hash and its sketch: about 4 kB each."""

    def __init__(self) -> None:
        self._exact: set[bytes] = set()
        self._sketches: list[Sketch] = []
        self._by_band: dict[tuple[int, bytes], int] = {}

    def judge(self, text: str) -> Verdict:
        """Whether the text is new, in which case it is remembered. Case and spacing are ignored."""
        plain = _SPACES.sub(" ", text.casefold()).strip()
        digest = hashlib.blake2b(plain.encode("utf-8"), digest_size=16).digest()
        if digest in self._exact:
            return "exact"
        self._exact.add(digest)
        sketch = build_sketch(plain)
        bands = [(band, part.tobytes()) for band, part in enumerate(sketch.reshape(-1, _BAND_BINS))]
        # one text per band, the first: work per text is bounded however many look alike
        candidates = {self._by_band[band] for band in bands if band in self._by_band}
        if any(np.mean(self._sketches[i] == sketch) >= MIN_AGREEMENT for i in candidates):
            return "near"
        for band in bands:
            self._by_band.setdefault(band, len(self._sketches))
        self._sketches.append(sketch)
        return "new"


def build_sketch(text: str) -> Sketch:
    """The least hash in every bin over all runs of `RUN_CHARS` characters."""
    hashes = _hash_runs(text)
    sketch = np.full(NUM_BINS, _EMPTY)
    np.minimum.at(sketch, (hashes >> np.uint64(57)).astype(np.intp), hashes)
    filled = np.flatnonzero(sketch != _EMPTY)
    # each empty bin takes the next filled one to its right, around the end
    nearest = np.searchsorted(filled, np.arange(NUM_BINS)) % len(filled)
    return sketch[filled[nearest]]


def _hash_runs(text: str) -> NDArray[np.uint64]:
    """A well-mixed 64-bit hash of every run; of the whole text where it is shorter."""
    data = text.encode("utf-32-le", errors="replace")
    codes = np.frombuffer(data, dtype=np.uint32).astype(np.uint64)
    codes = np.pad(codes, (0, max(0, RUN_CHARS - len(codes))))
    # doubling: a run of 2n is a run of n and the n after it
    hashes = _mix(codes)
    width = 1
    while width < RUN_CHARS:
        hashes = _mix(hashes[:-width] * np.uint64(0x9E3779B97F4A7C15) + hashes[width:])
        width *= 2
    return hashes


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
