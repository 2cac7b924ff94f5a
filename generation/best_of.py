"""Choose one of several drafts: check each, let a reward judge them. Writes and shows nothing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from generation.citations import best_span
from generation.drafting import Unsupported, draft_checked, is_worth_showing
from generation.evidence import Evidence
from generation.reward import Candidate, Reward
from generation.sentences import split_sentences
from generation.types import Draft, RewardedSample, Samples

_ENDS: Final = re.compile(r"[.!?…][\"'”’»)\]]*$")  # noqa: RUF001 - real quotes


@dataclass(frozen=True, slots=True)
class Chosen:
    """What may be shown of the winner, in order, and what was said of all; nothing if none stands.

    The pieces of a winner are those that a draft alone would have shown.
    """

    pieces: tuple[str, ...]
    samples: Samples


def choose_draft(
    question: str,
    drafts: Sequence[Draft],
    spans: Sequence[Evidence],
    *,
    reward: Reward,
    unsupported: Unsupported,
) -> Chosen:
    """The draft with the best reward among those of which anything stands, the first of equals."""
    candidates = [check_draft(question, draft, spans, unsupported) for draft in drafts]
    judgements = reward.judge(question, candidates, spans)
    standing = [number for number, candidate in enumerate(candidates) if candidate.pieces]
    winner = max(standing, key=lambda number: judgements[number].reward, default=None)
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
    return Chosen(pieces, Samples(reward.name, winner, each))


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
    # half a sentence of a source is supported by it, whatever its other half says
    bounds = list(split_sentences(draft.text, wrapped=False))
    if not draft.is_cut or not bounds or _ENDS.search(draft.text.rstrip()):
        return draft.text
    return draft.text[: bounds[-1][0]]
