"""Change logits before a token is chosen: penalties for what was said, biases. Chooses nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_SPARE: Final = 64


class TokenCounts:
    """The distinct tokens of one sequence, and how often each is in its output.

    Kept as the output grows: a step costs its new tokens and a copy, never a pass over the history
    in Python. Only a sequence whose options penalise needs one.
    """

    def __init__(self, prompt_ids: Sequence[int]) -> None:
        distinct = np.unique(np.asarray(prompt_ids, dtype=np.int64))
        self._slot_of = {token: slot for slot, token in enumerate(distinct.tolist())}
        self._ids = np.concatenate([distinct, np.zeros(_SPARE, np.int64)])
        self._counts = np.zeros(len(self._ids), np.int64)
        self._num_outputs = 0

    def update(self, output_ids: Sequence[int]) -> Self:
        """Take the whole output so far; what was taken before must still begin it."""
        for token in output_ids[self._num_outputs :]:
            slot = self._claim_slot(token)  # may replace the array
            self._counts[slot] += 1
        self._num_outputs = len(output_ids)
        return self

    def after(self, guesses: Sequence[int] = ()) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Distinct ids (n,) and their counts (n,), as they will be if these guesses hold."""
        size = len(self._slot_of)
        fresh = [token for token in dict.fromkeys(guesses) if token not in self._slot_of]
        ids = np.concatenate([self._ids[:size], np.array(fresh, np.int64)])
        counts = np.concatenate([self._counts[:size], np.zeros(len(fresh), np.int64)])
        slot_of_fresh = {token: size + index for index, token in enumerate(fresh)}
        for token in guesses:
            slot = self._slot_of.get(token)
            counts[slot_of_fresh[token] if slot is None else slot] += 1
        return ids, counts

    def _claim_slot(self, token: int) -> int:
        slot = self._slot_of.setdefault(token, len(self._slot_of))
        if slot == len(self._ids):
            self._ids = np.concatenate([self._ids, np.zeros_like(self._ids)])
            self._counts = np.concatenate([self._counts, np.zeros_like(self._counts)])
        self._ids[slot] = token
        return slot


@dataclass(frozen=True, slots=True)
class Penalties:
    """What one row's logits undergo: by `repetition`, then less `amounts`, for each of `ids`.

    repetition: positive logits are divided by it, negative ones multiplied (Keskar et al. 2019).
    amounts: presence, and frequency times the count (the formula of OpenAI's API reference).
    """

    ids: NDArray[np.int64]  # (n,), distinct
    amounts: NDArray[np.float64]  # (n,)
    repetition: float


def build_penalties(
    counts: TokenCounts,
    guesses: Sequence[int],
    *,
    repetition: float,
    presence: float,
    frequency: float,
) -> Penalties:
    ids, times = counts.after(guesses)
    return Penalties(ids, presence * (times > 0) + frequency * times, repetition)


def penalise(logits: Tensor, penalties: Mapping[int, Penalties]) -> None:
    """Apply each row's penalties to `logits` (R, V), in place."""
    at = _locate({row: each.ids for row, each in penalties.items()}, logits.device)
    sizes = [len(each.ids) for each in penalties.values()]
    repetition = np.repeat([each.repetition for each in penalties.values()], sizes)
    factor = torch.from_numpy(repetition).to(logits.device, torch.float32)  # (N,)
    amounts = np.concatenate([each.amounts for each in penalties.values()])
    values = logits[at]  # (N,)
    repeated = torch.where(values < 0, values * factor, values / factor)
    logits[at] = repeated - torch.from_numpy(amounts).to(logits.device, torch.float32)


def add_biases(logits: Tensor, biases: Mapping[int, Mapping[int, float]]) -> None:
    """Add each row's biases, by token id, to `logits` (R, V), in place."""
    at = _locate({row: np.array(list(each)) for row, each in biases.items()}, logits.device)
    amounts = [amount for each in biases.values() for amount in each.values()]
    logits[at] += torch.tensor(amounts, dtype=torch.float32, device=logits.device)


def _locate(ids: Mapping[int, NDArray[np.int64]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Indices (N,) and (N,) of every (row, id)."""
    rows = np.repeat(list(ids), [len(each) for each in ids.values()])
    columns = np.concatenate(list(ids.values()))
    return torch.from_numpy(rows).to(device), torch.from_numpy(columns).to(device)
