"""Of several replies of a reader to one question, choose the one that the others bear out. Pure.

The likeliest reply is often not the likeliest answer: a model divides what it is sure of among
spans that share words, and a span that it is less sure of comes first. Chosen is the reply that is
expected to share most words with what is right, were each reply as likely right as it is held
(minimum Bayes risk: Kumar and Byrne 2004). What the model does not weigh for itself is weighed
here: whether a reply only repeats the question, whether it is of the kind that was asked for, and
how well its sentence answers.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from generation.evidence import Evidence
from generation.question_kinds import asked_kinds, holds_kind
from generation.quoting import as_read
from generation.spans import find_span
from generation.types import Draft
from generation.words import content_stems, stems

# In nats, as a model's own log-likelihoods are: a reply that costs three is as good as one that was
# written a twentieth as often. Round numbers, not fitted.
_ECHO_COSTS: Final = 3.0
_OTHER_KIND_COSTS: Final = 2.0
_RELEVANCE_COUNTS: Final = 8.0
# Of a reader's likelihood beside an extractor's: the best of five powers on the development set.
_READER_COUNTS: Final = 0.7


def choose_reply(question: str, chances: Mapping[str, float], evidence: Sequence[Evidence]) -> str:
    """One of the replies, the first of equals; empty where there are none.

    chances: of each reply, how much speaks for it. Each is words of the evidence, which comes best
    first.
    """
    weights = {
        reply: chance * math.exp(-_costs(question, reply, evidence))
        for reply, chance in chances.items()
    }
    return max(chances, key=lambda reply: _expected(reply, weights), default="")


def count_replies(replies: Sequence[Draft]) -> dict[str, float]:
    """How often each was written."""
    counts = Counter(reply.text for reply in replies if reply.text)
    return {reply: float(count) for reply, count in counts.items()}


def join_opinions(pointed: Mapping[str, float], likelihoods: Sequence[float]) -> dict[str, float]:
    """What two models together say of texts: the chances of one, and what the other would write.

    pointed: the chance of each by an extractor. likelihoods: logs (nats) of how likely a reader
    writes each. Both must find a text likely (a product of experts: Hinton 2002); the reader, which
    knows little of one of our languages, counts less.
    """
    most = max(likelihoods, default=0.0)
    return {
        text: chance * math.exp(_READER_COUNTS * (likelihood - most))
        for (text, chance), likelihood in zip(pointed.items(), likelihoods, strict=True)
    }


def find_likeliest(replies: Sequence[Draft]) -> str:
    """What was written most often, and of equals the likeliest; empty where there is nothing."""
    counts = Counter(reply.text for reply in replies)

    def rank(reply: Draft) -> tuple[int, float]:
        known = reply.log_likelihood
        return counts[reply.text], -math.inf if known is None else known

    return max(replies, key=rank).text if replies else ""


def _expected(reply: str, weights: Mapping[str, float]) -> float:
    return sum(weight * share_words(reply, other) for other, weight in weights.items())


def share_words(one: str, other: str) -> float:
    """F1 of the words that two replies share; of those that carry meaning, where any do."""
    first, second = Counter(_words(one)), Counter(_words(other))
    shared = (first & second).total()
    return 2 * shared / (first.total() + second.total()) if shared else float(one == other)


def _words(text: str) -> list[str]:
    return content_stems(text) or stems(text)


def _costs(question: str, reply: str, evidence: Sequence[Evidence]) -> float:
    said = set(content_stems(reply))
    repeats = bool(said) and said <= set(content_stems(question))
    is_of_kind = all(holds_kind(kind, reply, question) for kind in asked_kinds(question))
    holding = (item for item in evidence if find_span(reply, as_read(item.text)) is not None)
    best = evidence[0].relevance if evidence else 0.0
    relevance = next((item.relevance for item in holding), best)
    return (
        _ECHO_COSTS * repeats
        + _OTHER_KIND_COSTS * (not is_of_kind)
        + _RELEVANCE_COUNTS * (best - relevance)
    )
