"""Lexical support: how much of a sentence a span holds. Sees no meaning: it is not entailment."""

import math
from collections.abc import Mapping
from typing import Final, TypeVar

from generation.words import bigrams, content_stems, stems

Key = TypeVar("Key")

# Words weigh twice what pairs do; on 300 rated answers this kind of overlap agreed with people's
# faithfulness ratings at Spearman 0.72 (docs/decisions/0003-quotes-before-drafts.md).
_WORD_SHARE: Final = 2 / 3
_NUMBER_WEIGHT: Final = 2.0


def lexical_support(sentence: str, span: str) -> float:
    """The share, 0 to 1, of the sentence's weight in words and word pairs that the span holds."""
    words = content_stems(sentence)
    if not words:
        return 0.0
    held = set(stems(span))
    weights = {word: _weight(word) for word in words}
    word_share = _share(weights, {word for word in words if word in held})
    pairs = {pair: weights[pair[0]] + weights[pair[1]] for pair in bigrams(words)}
    if not pairs:
        return word_share
    held_pairs = set(bigrams(content_stems(span)))
    pair_share = _share(pairs, {pair for pair in pairs if pair in held_pairs})
    return _WORD_SHARE * word_share + (1 - _WORD_SHARE) * pair_share


def _weight(word: str) -> float:
    return _NUMBER_WEIGHT if word[0].isdigit() else math.log2(1 + len(word))


def _share(weights: Mapping[Key, float], held: set[Key]) -> float:
    # fsum, because it does not depend on the order: all of the weight is 1 exactly
    return math.fsum(weights[key] for key in held) / math.fsum(weights.values())
