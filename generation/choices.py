"""Constrained decoding: the output is one of the given texts. The model chooses which."""

from collections.abc import Sequence

import torch
from torch import Tensor


class ChoiceConstraint:
    """Allows, after each token, only what continues one of the choices; each is token ids.

    Where a choice is complete and another goes on, the model chooses between stopping and going
    on. What only one choice continues is forced. One object serves one sequence.
    """

    def __init__(self, choices: Sequence[Sequence[int]], *, stop_id: int, vocab_size: int) -> None:
        self._choices = {tuple(choice) for choice in choices if choice}
        self._stop_id = stop_id
        self._vocab_size = vocab_size
        self._max_size = max(map(len, self._choices), default=0)
        self._size = 0

    @property
    def max_tokens(self) -> int:
        """Length of the longest choice, and the stop token after it."""
        return self._max_size + 1

    @property
    def is_finished(self) -> bool:
        """Whether nothing may follow but the stop token."""
        return not any(len(choice) > self._size for choice in self._choices)

    def forced(self) -> list[int]:
        """What every choice that is still open goes on with."""
        shortest = min(map(len, self._choices), default=0)
        start = end = self._size
        while end < shortest and len({choice[end] for choice in self._choices}) == 1:
            end += 1
        return list(next(iter(self._choices))[start:end]) if end > start else []

    def mask(self) -> Tensor:
        """Booleans (V,)."""
        allowed = torch.zeros(self._vocab_size, dtype=torch.bool)
        allowed[self.allowed_next()] = True
        return allowed

    def allowed_next(self) -> list[int]:
        """The ids that may come next, ascending; the stop token where a choice is complete."""
        following = {choice[self._size] for choice in self._choices if len(choice) > self._size}
        if not following or any(len(choice) == self._size for choice in self._choices):
            following.add(self._stop_id)
        return sorted(following)

    def advance(self, token: int) -> None:
        """Leave the choices that go on otherwise; the stop token leaves none."""
        size = self._size
        self._choices = {
            choice for choice in self._choices if len(choice) > size and choice[size] == token
        }
        self._size += 1
