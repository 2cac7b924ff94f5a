"""How good each of several drafts is: the seam, and the reward that is built in. Asks no model."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from generation.evidence import Evidence
from generation.types import Draft
from generation.words import content_stems


@dataclass(frozen=True, slots=True)
class Candidate:
    """A draft that was checked.

    `answer` is its text without what was cut off in the middle of a sentence. `pieces` are what of
    it may be shown, in order: none where it does not stand. `support` (0 to 1) is the mean lexical
    support of all its sentences, those that may not be shown included. `is_quote`: no draft, but
    the quote that is shown where no draft is.
    """

    draft: Draft
    answer: str
    pieces: tuple[str, ...]
    support: float
    is_quote: bool = False

    @classmethod
    def of_quote(cls, quote: str) -> "Candidate":
        """A quote: supported wholly, and not sampled."""
        return cls(Draft(quote, 0, None), quote, (quote,), support=1.0, is_quote=True)

    @property
    def shown(self) -> str:
        """What would be shown of it."""
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A reward, and the numbers that it was made from, by name."""

    reward: float
    parts: Mapping[str, float]


class Reward(Protocol):
    """Judges drafts of one answer; the best reward wins. A trained model can stand behind it.

    Equal input must give equal rewards, or an answer could not be replayed.
    """

    @property
    def name(self) -> str:
        """What the receipt calls it; it changes whenever the rewards do."""
        ...

    def judge(
        self, question: str, candidates: Sequence[Candidate], spans: Sequence[Evidence]
    ) -> list[Judgement]:
        """A judgement of each candidate, in their order; more is better.

        Drafts, and at most one quote, which is shown where it is judged no worse than they are.
        `spans` are the sentences of the documents that a draft may rest on, best first.
        """
        ...


@dataclass(frozen=True, slots=True)
class WeighedReward:
    """A weighed sum of three numbers from 0 to 1.

    Support by the passages; agreement: the share of words in common with each other draft, on
    average (after self-consistency, Wang et al. 2022, arXiv 2203.11171); likelihood: the geometric
    mean of the probabilities that the model gave its tokens.

    A draft that does not stand agrees with the quote, which alone it would have given way to: the
    fewer stand, the more has to be said for one. The quote was not sampled, and counts as likely as
    the likeliest draft that stands: what tells them apart is support and agreement.
    """

    name: str
    support: float
    agreement: float
    likelihood: float

    def judge(
        self,
        question: str,  # noqa: ARG002 - looks at the drafts alone
        candidates: Sequence[Candidate],
        spans: Sequence[Evidence],  # noqa: ARG002 - was looked at when they were checked
    ) -> list[Judgement]:
        """One judgement a candidate. Where a server tells no likelihoods, they do not count."""
        quote = next((each.shown for each in candidates if each.is_quote), "")
        texts = [each.shown or quote or each.answer for each in candidates]
        words = [frozenset(content_stems(text)) for text in texts]
        likelihoods = _likelihoods(candidates)
        judgements = []
        for number, candidate in enumerate(candidates):
            others = [
                words[place]
                for place, other in enumerate(candidates)
                if place != number and not other.is_quote
            ]
            parts = {
                "support": candidate.support,
                "agreement": _agreement(words[number], others),
            }
            if (likelihood := likelihoods[number]) is not None:
                parts["likelihood"] = likelihood
            judgements.append(Judgement(self._weigh(parts), parts))
        return judgements

    def _weigh(self, parts: Mapping[str, float]) -> float:
        weights = {
            "support": self.support,
            "agreement": self.agreement,
            "likelihood": self.likelihood,
        }
        return math.fsum(weights[name] * value for name, value in parts.items())


# By `python -m benchmarks.drafts` likelihood picks the best of six most often, support next,
# agreement least; so few questions tell the weights no closer: benchmarks/LOG.md has the figures.
BUILT_IN_REWARD: Final = WeighedReward("built-in@2", support=0.3, agreement=0.2, likelihood=0.5)


def _agreement(own: frozenset[str], others: Sequence[frozenset[str]]) -> float:
    """The mean share of words that a draft and each other have in common (Dice)."""
    shares = [2 * len(own & other) / max(1, len(own) + len(other)) for other in others]
    return math.fsum(shares) / len(shares) if shares else 0.0


def _likelihoods(candidates: Sequence[Candidate]) -> list[float | None]:
    told = [None if each.is_quote else _likelihood(each.draft) for each in candidates]
    standing = [
        value
        for value, each in zip(told, candidates, strict=True)
        if value is not None and each.pieces
    ]
    of_quote = max(standing, default=None)
    return [
        of_quote if each.is_quote else value for value, each in zip(told, candidates, strict=True)
    ]


def _likelihood(draft: Draft) -> float | None:
    if draft.log_likelihood is None:
        return None
    # an empty draft says nothing, and saying nothing must not look certain
    return math.exp(draft.log_likelihood / draft.num_tokens) if draft.num_tokens else 0.0
