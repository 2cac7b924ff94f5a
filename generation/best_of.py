"""Choose one of several drafts, or none: a reward judges them beside the quote. Shows nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from generation.citations import best_span
from generation.drafting import Unsupported, draft_checked, ends_whole, is_worth_showing
from generation.evidence import Evidence
from generation.reward import Candidate, Reward
from generation.sentences import split_sentences
from generation.types import Draft, RewardedSample, Samples


@dataclass(frozen=True, slots=True)
class Chosen:
    """What may be shown of the winner, in order, and what was said of all.

    Nothing where no draft is better than the quote. The pieces of a winner are those that a draft
    alone would have shown.
    """

    pieces: tuple[str, ...]
    samples: Samples


def choose_draft(
    question: str,
    drafts: Sequence[Draft],
    spans: Sequence[Evidence],
    *,
    quote: str,
    reward: Reward,
    unsupported: Unsupported,
) -> Chosen:
    """The draft with the best reward among those of which anything stands, the first of equals.

    None where the quote, which is judged beside them, has no worse a reward.
    """
    candidates = [check_draft(question, draft, spans, unsupported) for draft in drafts]
    judged = [*candidates, Candidate.of_quote(quote)]
    *judgements, of_quote = reward.judge(question, judged, spans)
    better = [
        number
        for number, candidate in enumerate(candidates)
        if candidate.pieces and judgements[number].reward > of_quote.reward
    ]
    winner = max(better, key=lambda number: judgements[number].reward, default=None)
    each = tuple(
        RewardedSample(
            judgement.reward,
            judgement.parts,
            candidate.draft.num_tokens,
            stands=bool(candidate.pieces),
        )
        for candidate, judgement in zip(candidates, judgements, strict=True)
    )
    pieces = () if winner is None else candidates[winner].pieces
    told = RewardedSample(of_quote.reward, of_quote.parts, num_tokens=0, stands=True)
    return Chosen(pieces, Samples(reward.name, winner, each, told))


def check_draft(
    question: str, draft: Draft, spans: Sequence[Evidence], unsupported: Unsupported
) -> Candidate:
    """What of a draft may be shown, and how much of it the spans support."""
    answer = _whole_sentences(draft)
    pieces = draft_checked(
        [answer],
        lambda sentence: is_worth_showing(sentence, question, spans),
        unsupported=unsupported,
    )
    supports = [
        best_span(answer[start:end], spans)[0]
        for start, end in split_sentences(answer, wrapped=False)
    ]
    return Candidate(draft, answer, tuple(pieces), fmean(supports) if supports else 0.0)


def _whole_sentences(draft: Draft) -> str:
    bounds = list(split_sentences(draft.text, wrapped=False))
    if not draft.is_cut or not bounds or ends_whole(draft.text):
        return draft.text
    return draft.text[: bounds[-1][0]]
