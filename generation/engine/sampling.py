"""Choose the next tokens from logits. Pure: same logits, options, history, position: same token.

A row's token depends on nothing else in its batch, to the last bit: probabilities become integers
(fixed point), whose sums do not depend on the order of adding, and noise is keyed by seed and
position. Nothing leaves the device until the tokens are known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from generation.engine.events import TokenChoice
from generation.engine.params import SamplingParams
from generation.engine.penalties import TokenCounts, add_biases, build_penalties, penalise

_MASK64: Final = (1 << 64) - 1
# A weight is 2^40 times the probability relative to the likeliest token: below 2^-40 of that a
# token is never drawn. The sum of 2^18 weights, and of far larger vocabularies, fits 63 bits.
_ONE: Final = 1 << 40
_MAX_ID: Final = (1 << 32) - 1
# top_k and top_p nearly always cut within the first; a full sort costs 20 times more
_CANDIDATES: Final = (256, 4096)
# beyond these the quotient overflows float32; neither is told apart from zero or infinity
_MIN_TEMPERATURE: Final = 2.0**-60
_MAX_TEMPERATURE: Final = 2.0**60


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How to choose one token.

    position: of the token to be chosen, in its sequence. sample: which of the request's samples.
    counts: where `params.has_penalties`. guesses: tokens between those counted and this one.
    mask: booleans (V,) of the tokens allowed, at least one; where none is allowed the sequence is
    over, and asking is a mistake that is not checked.
    """

    params: SamplingParams
    position: int
    sample: int = 0
    counts: TokenCounts | None = None
    guesses: Sequence[int] = ()
    mask: Tensor | None = None


def sample_rows(logits: Tensor, rows: Sequence[Row]) -> list[TokenChoice]:
    """Choose a token for each row of float32 `logits` (R, V), which are left as they are."""
    tokens: list[int] = choose_tokens(logits, rows).tolist()
    choices = [TokenChoice(token) for token in tokens]
    wanted = [index for index, row in enumerate(rows) if row.params.num_logprobs is not None]
    if wanted:
        described = _describe(
            _take(logits, wanted),
            [tokens[index] for index in wanted],
            [rows[index].params.num_logprobs or 0 for index in wanted],
        )
        for index, choice in zip(wanted, described, strict=True):
            choices[index] = choice
    return choices


def sample(logits: Tensor, params: SamplingParams, position: int) -> int:
    """Choose an index of `logits` (V,) for the token at `position` of its sequence."""
    return int(choose_tokens(logits[None], [Row(params=params, position=position)]))


def choose_tokens(logits: Tensor, rows: Sequence[Row]) -> Tensor:
    """The token for each row of `logits` (R, V): int64 (R,), on the logits' device.

    In this order: repetition, presence and frequency penalties; biases; mask; temperature; top_k,
    top_p, min_p. With temperature 0 the likeliest token then, the least id among equals.
    """
    adjusted = _adjust(logits, rows)
    drawn = [index for index, row in enumerate(rows) if row.params.temperature > 0]
    if drawn and len(drawn) == len(rows):
        return _draw(adjusted, rows)
    tokens = adjusted.argmax(-1)
    if drawn:
        at = torch.tensor(drawn, device=logits.device)
        tokens[at] = _draw(adjusted[at], [rows[index] for index in drawn])
    return tokens


def sample_seed(seed: int, sample: int) -> int:
    """The seed of a request's n-th sample. The first has the request's own."""
    return seed if sample == 0 else _mix(_mix(seed & _MASK64) ^ _mix(sample))


def unit_noise(seed: int, position: int) -> float:
    """A number in [0, 1) fixed by (seed, position) alone.

    Not by batch slot, machine or torch version: an answer resumes and replays. The mixing function
    is SplitMix64's (Steele, Lea and Flood, 2014).
    """
    # as many bits as a float holds: the quotient of all 64 could round up to 1
    return (_mix(_mix(seed & _MASK64) ^ position) >> 11) / 2**53


def _mix(value: int) -> int:
    value = (value + 0x9E3779B97F4A7C15) & _MASK64
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK64
    return value ^ (value >> 31)


def _adjust(logits: Tensor, rows: Sequence[Row]) -> Tensor:
    """A changed copy of `logits`, or themselves where no row asks for a change."""
    penalties = {
        index: build_penalties(
            row.counts,
            row.guesses,
            repetition=row.params.repetition_penalty,
            presence=row.params.presence_penalty,
            frequency=row.params.frequency_penalty,
        )
        for index, row in enumerate(rows)
        if row.counts is not None and row.params.has_penalties
    }
    biases = {i: row.params.logit_bias for i, row in enumerate(rows) if row.params.logit_bias}
    masks = {i: row.mask for i, row in enumerate(rows) if row.mask is not None}
    if not (penalties or biases or masks):
        return logits
    adjusted = logits.clone()
    if penalties:
        penalise(adjusted, penalties)
    if biases:
        add_biases(adjusted, biases)
    if masks:
        at = torch.tensor(list(masks), device=logits.device)
        allowed = torch.stack(list(masks.values())).to(logits.device)  # (M, V)
        adjusted[at] = adjusted[at].masked_fill(~allowed, -torch.inf)
    return adjusted


def _draw(logits: Tensor, rows: Sequence[Row]) -> Tensor:
    """A token for each row of `logits` (S, V) by its distribution: int64 (S,)."""
    options = torch.tensor(
        [
            (
                min(max(row.params.temperature, _MIN_TEMPERATURE), _MAX_TEMPERATURE),
                unit_noise(sample_seed(row.params.seed, row.sample), row.position),
            )
            for row in rows
        ],
        dtype=torch.float64,
        device=logits.device,
    )  # (S, 2)
    temperature, noise = options[:, :1], options[:, 1:]  # (S, 1) each
    weights = _truncate(_weigh(logits, temperature.float()), logits, rows)  # (S, V)
    heaped = weights.cumsum(-1)  # (S, V)
    total = heaped[:, -1:]  # (S, 1)
    # doubles are coarser than such totals: a product can round up to the total itself
    target = torch.minimum((noise * total).long(), total - 1)
    tokens = torch.searchsorted(heaped, target, right=True)
    # only where logits are not numbers is there no such token
    return tokens[:, 0].clamp(max=logits.shape[-1] - 1)


def _weigh(logits: Tensor, temperature: Tensor | float = 1.0) -> Tensor:
    """Probabilities as integers: `logits` (S, V) -> int64 (S, V), the likeliest token's _ONE."""
    below = (logits - logits.amax(-1, keepdim=True)).div_(temperature)
    return below.exp_().mul_(_ONE).long()


def _truncate(weights: Tensor, logits: Tensor, rows: Sequence[Row]) -> Tensor:
    """`weights` (S, V) with those that top_k, top_p and min_p cut at 0."""
    params = [row.params for row in rows]
    if any(each.min_p > 0 for each in params):
        least = [[each.min_p * _ONE] for each in params]
        floor = torch.tensor(least, dtype=torch.float64, device=weights.device)  # (S, 1)
        kept = weights.masked_fill(weights < floor, 0)
    else:
        kept = weights
    ranked = [i for i, each in enumerate(params) if each.top_k is not None or each.top_p < 1]
    if not ranked:
        return kept
    at = torch.tensor(ranked, device=weights.device)
    likely = _are_top(weights[at], logits[at], [params[index] for index in ranked])
    kept = kept.clone() if kept is weights else kept
    kept[at] = kept[at].masked_fill(~likely, 0)
    return kept


def _are_top(weights: Tensor, logits: Tensor, params: Sequence[SamplingParams]) -> Tensor:
    """Which tokens top_k, and then top_p among those, keep: booleans (S, V)."""
    size = weights.shape[-1]
    keys = _rank_keys(logits)
    limits = torch.tensor(
        [[min(each.top_k or size, size), each.top_p] for each in params],
        dtype=torch.float64,
        device=weights.device,
    )  # (S, 2)
    widest_k = max(each.top_k or size for each in params)
    for width in _CANDIDATES:
        if width < size:
            cutoff, is_certain = _find_cutoff(keys, weights, limits, width)
            if widest_k <= width or bool(is_certain.all()):
                return keys >= cutoff
    cutoff, _ = _find_cutoff(keys, weights, limits, size)
    return keys >= cutoff


def _find_cutoff(
    keys: Tensor, weights: Tensor, limits: Tensor, width: int
) -> tuple[Tensor, Tensor]:
    """The key (S, 1) of the last token kept, and whether the `width` likeliest suffice to tell."""
    top_k, top_p = limits[:, :1].long(), limits[:, 1:]  # (S, 1) each
    best = keys.topk(width).values  # (S, width)
    likely = weights.gather(1, _ids_of(best))  # (S, width)
    mass = likely.cumsum(-1)  # (S, width)
    of_top_k = mass.gather(1, (top_k - 1).clamp(max=width - 1))
    total = torch.where(top_k <= width, of_top_k, weights.sum(-1, keepdim=True))
    ranks = torch.arange(width, device=keys.device)
    # a token stays while the mass before it is under top_p, so the likeliest one always stays
    kept = (ranks < top_k) & (mass - likely < top_p * total)
    num_kept = kept.sum(-1, keepdim=True)
    # the mass of a top_k beyond the width is not known
    is_certain = (top_k <= width) | ((top_k == keys.shape[-1]) & (num_kept < width))
    return best.gather(1, num_kept - 1), is_certain


def _rank_keys(values: Tensor) -> Tensor:
    """float32 (S, V) -> int64 keys in the same order, the lesser index first among equals.

    No two keys of a row are equal, so that sorting has one outcome on every device.
    """
    bits = (values + 0.0).view(torch.int32)  # adding 0 makes -0 the same as 0
    ascending = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    ids = torch.arange(values.shape[-1], device=values.device)
    return (ascending.long() << 32).add_(_MAX_ID - ids)


def _ids_of(keys: Tensor) -> Tensor:
    return _MAX_ID - (keys & _MAX_ID)


def _take(values: Tensor, rows: Sequence[int]) -> Tensor:
    if len(rows) == len(values):
        return values
    return values[torch.tensor(rows, device=values.device)]


def _describe(
    logits: Tensor, tokens: Sequence[int], num_alternatives: Sequence[int]
) -> list[TokenChoice]:
    """Chosen tokens with log-probabilities by the model's own distribution, logits (L, V)."""
    total = _weigh(logits).sum(-1, keepdim=True).double() / _ONE  # (L, 1)
    normaliser = logits.amax(-1, keepdim=True).double() + total.log()
    chosen = torch.tensor(tokens, device=logits.device)[:, None]
    logprobs: list[float] = (logits.gather(1, chosen) - normaliser)[:, 0].tolist()
    most = min(max(num_alternatives), logits.shape[-1])
    ids = _ids_of(_rank_keys(logits).topk(most).values)  # (L, most)
    likeliest: list[list[float]] = (logits.gather(1, ids) - normaliser).tolist()
    return [
        TokenChoice(token, logprob, tuple(zip(others[:wanted], theirs[:wanted], strict=True)))
        for token, logprob, others, theirs, wanted in zip(
            tokens, logprobs, ids.tolist(), likeliest, num_alternatives, strict=True
        )
    ]
