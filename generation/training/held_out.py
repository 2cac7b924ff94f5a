"""Whole documents held back from training, and what the model's loss on them means."""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from generation.training.errors import DataError
from generation.training.packing import PackedBatch, Windows, cut_windows, pack_in_order
from generation.training.tokens import TokenStore

MAX_HELD_OUT_TOKENS: Final = 200_000
SAMPLE_TOKENS: Final = 16_384  # of a validation during the run: it must not eat the run's time
_IDS_AT_ONCE: Final = 1 << 24

Documents = NDArray[np.int64]


def split_documents(
    store: TokenStore, *, seed: int, held_out_share: float
) -> tuple[Documents, Documents]:
    """Indices of the documents to learn from and of those to hold back, each at least one.

    Raises DataError where there are fewer than two documents.
    """
    if store.num_documents < 2:
        raise DataError(
            "--data: only one document is left, and validation holds whole documents back; "
            "add texts, or split the file"
        )
    order = np.random.default_rng([seed, 0]).permutation(store.num_documents)
    sizes = (store.ends - store.starts())[order]
    wanted = min(held_out_share * len(store.ids), MAX_HELD_OUT_TOKENS)
    num_held_out = int(np.searchsorted(np.cumsum(sizes), wanted)) + 1
    num_held_out = min(num_held_out, store.num_documents // 2)
    return np.sort(order[num_held_out:]), np.sort(order[:num_held_out])


class Validation:
    """The held-out documents as batches, and the measures that go with their loss."""

    def __init__(
        self, store: TokenStore, documents: Documents, *, context: int, pass_tokens: int
    ) -> None:
        self._store = store
        self._documents = documents
        self._windows = cut_windows(store, documents, context=context)
        self._pass_tokens = pass_tokens
        self.num_targets = self._windows.num_targets
        self.num_bytes = int(store.num_bytes[documents].sum())
        self.num_documents = len(documents)

    def batches(self) -> Iterator[PackedBatch]:
        return pack_in_order(self._store.ids, self._windows, pass_tokens=self._pass_tokens)

    def sample(self) -> Iterator[PackedBatch]:
        """About `SAMPLE_TOKENS` tokens from all over the held-out documents, always the same."""
        stride = max(1, self.num_targets // SAMPLE_TOKENS)
        windows = Windows(self._windows.starts[::stride], self._windows.sizes[::stride])
        return pack_in_order(self._store.ids, windows, pass_tokens=self._pass_tokens)

    def bits_per_byte(self, loss: float) -> float:
        """From nats per token: comparable between tokenizers."""
        return loss * self.num_targets / (math.log(2) * self.num_bytes)

    def unigram_loss(self) -> float:
        """Nats per token of guessing by how often tokens occur in the other documents.

        What a model reaches that has learnt no order at all. Add-one smoothing.
        """
        ends, starts = self._store.ends, self._store.starts()
        parts = [self._store.ids[starts[i] : ends[i]] for i in self._documents]
        held_out = _count(np.concatenate(parts))
        everything = _count(self._store.ids, min_length=len(held_out))
        held_out = np.pad(held_out, (0, len(everything) - len(held_out)))
        learned = everything - held_out + 1
        # a document's first token is never predicted: it is always the same
        first = self._store.ids[0]
        held_out[first] -= self.num_documents
        learned[first] -= self._store.num_documents - self.num_documents
        log_shares = np.log(learned / learned.sum())
        return float(-(held_out * log_shares).sum() / held_out.sum())


def _count(ids: NDArray[np.integer], *, min_length: int = 0) -> NDArray[np.int64]:
    """How often each id occurs; a mapped file is read in parts."""
    counts = np.zeros(min_length, np.int64)
    for at in range(0, len(ids), _IDS_AT_ONCE):
        found = np.bincount(ids[at : at + _IDS_AT_ONCE], minlength=len(counts))
        found[: len(counts)] += counts
        counts = found
    return counts
