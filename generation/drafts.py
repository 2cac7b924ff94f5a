"""Several texts that come in pieces, side by side, put together. Knows no engine and no HTTP."""

import math
from collections import defaultdict
from collections.abc import Sequence

from generation.types import Draft


class DraftTexts:
    """Texts by the number of their sample, from 0. Feed it pieces, then take the drafts."""

    def __init__(self) -> None:
        self._texts: defaultdict[int, list[str]] = defaultdict(list)
        self._logprobs: defaultdict[int, list[float]] = defaultdict(list)
        self._cut: set[int] = set()

    @property
    def num_begun(self) -> int:
        """Texts of which something came, if only that they begin."""
        return len(self._texts)

    def add(self, sample: int, text: str, logprobs: Sequence[float] = ()) -> None:
        """Take more of a text, and the log-probabilities of the tokens that begin in it."""
        self._texts[sample].append(text)
        self._logprobs[sample] += logprobs

    def end(self, sample: int, *, is_cut: bool) -> None:
        """Note how a text ended, an empty one too."""
        self.add(sample, "")
        if is_cut:
            self._cut.add(sample)

    def drafts(self) -> list[Draft]:
        """The texts as they are, by their numbers."""
        return [self._draft(sample) for sample in sorted(self._texts)]

    def _draft(self, sample: int) -> Draft:
        text = "".join(self._texts[sample])
        logprobs = self._logprobs[sample]
        is_told = bool(logprobs) or not text
        return Draft(
            text,
            # pieces stand in where tokens are not told
            num_tokens=len(logprobs) if is_told else sum(map(bool, self._texts[sample])),
            # fsum: the same whatever pieces the numbers came in
            log_likelihood=math.fsum(logprobs) if is_told else None,
            is_cut=sample in self._cut,
        )
