"""Guess the next tokens from what the sequence already says. Only guesses: the engine checks them.

An answer that quotes its passages repeats runs of its prompt, so what followed the last few tokens
the time before is likely to follow again (Saxena 2023, prompt lookup decoding). Several guesses are
computed in one pass at little more than the cost of one token; a wrong one costs only its share.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

# longest first: a longer match is likelier to go on as before
_MATCH_SIZES: Final = (3, 2)
# What a pass over 1 + k tokens costs, in passes over one, where none has been timed yet: on a CPU
# with weights in four bits, and where weights are dense.
INT4_COSTS: Final[Mapping[int, float]] = MappingProxyType({3: 1.28, 7: 1.97})
DENSE_COSTS: Final[Mapping[int, float]] = MappingProxyType({3: 1.1, 7: 1.26})
_FADE: Final = 0.9
_FIRST_PAUSE: Final = 4
_LONGEST_PAUSE: Final = 64
# as if so many of a few guesses had held: one bad step alone does not end the guessing
_FIRST_IMPRESSION: Final = (2.0, 4.0)
# how fast the quickest step of late is forgotten: texts grow, and machines get other work
_FORGETTING: Final = 1.02

_Gram = tuple[int, ...]


class LookupIndex:
    """Where each run of a few tokens was last seen; O(1) for each token that is added.

    The prompt is searched before the output: an answer quotes its passages, while an output that
    repeats itself is seldom what anyone wants more of.
    """

    def __init__(self, prompt_ids: Sequence[int]) -> None:
        self._tokens = list(prompt_ids)
        self._num_prompt = len(self._tokens)
        self._in_prompt = {size: _index(self._tokens, size) for size in _MATCH_SIZES}
        self._in_output: dict[int, dict[_Gram, int]] = {size: {} for size in _MATCH_SIZES}
        # where the run that the sequence now copies goes on
        self._source: int | None = None

    def append(self, token: int) -> None:
        end = len(self._tokens)
        for size in _MATCH_SIZES:
            # a run is indexed once a token follows it: the last one must not find itself
            if end >= size:
                self._in_output[size][tuple(self._tokens[end - size :])] = end
        if self._source is not None:
            self._source = self._source + 1 if self._tokens[self._source] == token else None
        self._tokens.append(token)

    def extend(self, tokens: Sequence[int]) -> None:
        for token in tokens:
            self.append(token)

    def update(self, output_ids: Sequence[int]) -> None:
        """Take the whole output so far; what was taken before must still begin it."""
        self.extend(output_ids[len(self._tokens) - self._num_prompt :])

    def propose(self, num_guesses: int) -> list[int]:
        """What may come next: `num_guesses` tokens, or none where nothing matches."""
        if self._source is None:
            self._source = self._find_source()
        if self._source is None:
            return []
        # a match so near the end that it runs out goes on with the guesses themselves: a cycle
        copied = self._tokens[self._source : self._source + num_guesses]
        period = len(self._tokens) - self._source
        return [copied[index % period] for index in range(num_guesses)]

    def _find_source(self) -> int | None:
        for size in _MATCH_SIZES:
            last = tuple(self._tokens[-size:])
            for seen in (self._in_prompt[size], self._in_output[size]):
                if (source := seen.get(last)) is not None:
                    return source
        return None


class GuessCosts:
    """What guessing costs on this machine, with this model: told at first, then measured.

    The quickest of late steps are compared, since a step that was disturbed tells nothing.
    """

    def __init__(self, told: Mapping[int, float] = INT4_COSTS) -> None:
        self._told = told
        self._step_s: dict[int, float] = {}

    def record(self, num_guesses: int, step_s: float) -> None:
        """Learn how long a step of one sequence took; 0 guesses: a plain one."""
        late_s = self._step_s.get(num_guesses, step_s) * _FORGETTING
        self._step_s[num_guesses] = min(step_s, late_s)

    def costs(self) -> dict[int, float]:
        """Of each number of guesses that may be made, in steps without any."""
        plain_s = self._step_s.get(0)
        if not plain_s:
            return dict(self._told)
        timed = {size: max(1.0, step_s / plain_s) for size, step_s in self._step_s.items()}
        return {size: timed.get(size, told) for size, told in self._told.items()}


class GuessBudget:
    """How many tokens are worth guessing, learnt from how many guesses held.

    With every guess right with probability a, and independently, k guesses give
    (1 - a^(k+1)) / (1 - a) tokens a pass; the k with the most tokens for its cost is taken. Where
    that is none, guessing rests for a while and then tries again, after longer and longer rests.
    A first try is made wherever guesses could pay if all of them held.
    """

    def __init__(self, costs: GuessCosts) -> None:
        self._costs = costs
        self._rests = 0
        self._pause = _FIRST_PAUSE
        self._hits, self._trials = _FIRST_IMPRESSION
        self._is_first_try = True

    def choose(self, *, most: int) -> int:
        """How many to guess in the next step, at most `most`: 0 or one of the sizes with a cost."""
        if self._rests > 0:
            self._rests -= 1
            return 0
        rate = self._hits / self._trials
        best, most_gained = 0, 1.0
        costs = {size: cost for size, cost in self._costs.costs().items() if size <= most}
        for size, cost in costs.items():
            gained = sum(rate**power for power in range(size + 1)) / cost
            if gained > most_gained:
                best, most_gained = size, gained
        if best == 0 and self._is_first_try:
            return next((size for size, cost in costs.items() if size + 1 > cost), 0)
        return best

    def record(self, *, num_guessed: int, num_accepted: int) -> None:
        """Learn how many of a step's guesses held before the first that did not."""
        if num_guessed == 0:
            return
        self._is_first_try = False
        # guesses after the first wrong one were never tried
        num_tried = min(num_accepted + 1, num_guessed)
        self._hits = self._hits * _FADE + num_accepted
        self._trials = self._trials * _FADE + num_tried
        if self.choose(most=max(self._costs.costs())) > 0:
            if num_accepted == num_guessed:
                self._pause = _FIRST_PAUSE
            return
        self._rests = self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        self._hits, self._trials = _FIRST_IMPRESSION
        self._is_first_try = True


class Lookup:
    """The guesses of one sequence: what to guess, and how much."""

    def __init__(self, prompt_ids: Sequence[int], costs: GuessCosts) -> None:
        self._prompt_ids = prompt_ids
        self._index: LookupIndex | None = None
        self._budget = GuessBudget(costs)

    def guess(self, output_ids: Sequence[int], *, most: int) -> list[int]:
        """At most `most` tokens that may follow the output; often none."""
        num_guesses = self._budget.choose(most=most)
        if num_guesses == 0:
            return []
        if self._index is None:
            self._index = LookupIndex(self._prompt_ids)
        self._index.update(output_ids)
        return self._index.propose(num_guesses)

    def record(self, *, num_guessed: int, num_accepted: int) -> None:
        """Tell how many of a step's guesses held."""
        self._budget.record(num_guessed=num_guessed, num_accepted=num_accepted)


def _index(tokens: Sequence[int], size: int) -> dict[_Gram, int]:
    """Where each run of `size` tokens is last followed by another."""
    runs = zip(*(tokens[start:] for start in range(size)), strict=False)
    # one place fewer than runs: the last is followed by nothing
    return dict(zip(runs, range(size, len(tokens)), strict=False))
