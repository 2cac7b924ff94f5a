"""Constrained decoding: the output is one of the given texts, or words of one of them.

The model chooses which. Knows tokens only; `generation.spans` says where words begin and end.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from generation.spans import word_ends, word_starts
from generation.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Path:
    """Tokens that may be written in this order, and after how many of them the text may end."""

    ids: tuple[int, ...]
    ends: frozenset[int]


class ChoiceConstraint:
    """Allows, after each token, only what continues one of the paths.

    Where a path may end and goes on, the model chooses between stopping and going on. What is the
    only way on is forced. One object serves one sequence.
    """

    def __init__(
        self, paths: Iterable[Path], *, stop_ids: Collection[int], vocab_size: int
    ) -> None:
        self._paths = [path for path in paths if path.ids]
        self._stop_ids = stop_ids
        self._vocab_size = vocab_size
        self._max_size = max((len(path.ids) for path in self._paths), default=0)
        self._size = 0

    @property
    def max_tokens(self) -> int:
        """Length of the longest path, and a stop token after it."""
        return self._max_size + 1

    @property
    def is_finished(self) -> bool:
        """Whether nothing may follow but a stop token."""
        return not any(len(path.ids) > self._size for path in self._paths)

    def forced(self) -> list[int]:
        """What every path that is still open goes on with."""
        start = end = self._size
        while self._paths and not self._may_end(end):
            following = {path.ids[end] for path in self._paths}
            if len(following) > 1:
                break
            end += 1
        return list(self._paths[0].ids[start:end]) if end > start else []

    def mask(self) -> Tensor:
        """Booleans (V,)."""
        allowed = torch.zeros(self._vocab_size, dtype=torch.bool)
        allowed[self.allowed_next()] = True
        return allowed

    def allowed_next(self) -> list[int]:
        """The ids that may come next, ascending; the stop tokens where the text may end."""
        following = {path.ids[self._size] for path in self._paths if len(path.ids) > self._size}
        if not following or self._may_end(self._size):
            following.update(self._stop_ids)
        return sorted(following)

    def advance(self, token: int) -> None:
        """Leave the paths that go on otherwise; a stop token leaves none."""
        size = self._size
        self._paths = [
            path for path in self._paths if len(path.ids) > size and path.ids[size] == token
        ]
        self._size += 1

    def _may_end(self, size: int) -> bool:
        return any(size in path.ends for path in self._paths)


def whole(text: str, tokenizer: Tokenizer) -> Path:
    """The way to write a text and nothing else."""
    ids = tuple(tokenizer.encode(text))
    return Path(ids, frozenset({len(ids)}))


def runs(text: str, tokenizer: Tokenizer, *, max_tokens: int | None) -> Iterator[Path]:
    """The ways to write a run of whole words of a text, in at most `max_tokens` tokens.

    The tokens are those of the run as a text of its own: what a model would write by itself. Where
    a tokenizer changes characters, so that the run would not be to the letter, it is left out.
    """
    num_bytes = len(text.encode())
    ends = {len(text[:end].encode()) for end in word_ends(text)}
    for start in word_starts(text):
        rest = text[start:].encode()
        begin = num_bytes - len(rest)
        ids = tokenizer.encode(text[start:])
        pieces = [tokenizer.token_bytes(token) for token in ids]
        written = b"".join(pieces)
        if not written.endswith(rest):
            continue
        places = accumulate(map(len, pieces[:max_tokens]), initial=num_bytes - len(written))
        may_end = {size for size, place in enumerate(places) if place > begin and place in ends}
        if may_end:
            yield Path(tuple(ids[: max(may_end)]), frozenset(may_end))
