"""How well held-out questions find their passages in the whole corpus."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from core.statistics import Difference, Interval, mean_interval, paired_difference
from generation.training.embedder.encoder import EncoderModel, Texts, TextTokenizer
from generation.training.embedder.examples import Asked
from generation.training.running import Measured

_DEPTH: Final = 10
_FEW: Final = 5
_TEXTS_AT_ONCE: Final = 64

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Judged:
    """Of every held-out question the rank of its passage, from 1; those that hold its answer too
    are passed over.
    """

    ranks: tuple[int, ...]
    seed: int

    @property
    def ndcg(self) -> list[float]:
        """1 / log2(1 + rank) among the first ten, of each question: one passage is right."""
        return [1 / float(np.log2(1 + r)) if r <= _DEPTH else 0.0 for r in self.ranks]

    @property
    def found(self) -> list[float]:
        """Whether the passage is among the first five, of each question."""
        return [float(rank <= _FEW) for rank in self.ranks]

    @property
    def measured(self) -> Measured:
        mean = float(np.mean(self.ndcg))
        return Measured(1 - mean, mean)

    def intervals(self) -> tuple[Interval, Interval]:
        """nDCG@10 and R@5, with their 95% intervals."""
        return mean_interval(self.ndcg, seed=self.seed), mean_interval(self.found, seed=self.seed)

    def __str__(self) -> str:
        ndcg, recall = self.intervals()
        return (
            f"nDCG@10 {ndcg.value:.3f} ({ndcg.low:.3f} to {ndcg.high:.3f}), R@5 "
            f"{recall.value:.3f} ({recall.low:.3f} to {recall.high:.3f}), "
            f"{len(self.ranks):,} questions"
        )


def find_gain(after: Judged, before: Judged) -> Difference:
    """What nDCG@10 gained on the same questions."""
    return paired_difference(after.ndcg, before.ndcg, seed=after.seed)


@torch.no_grad()
def embed(
    model: EncoderModel, tokenizer: TextTokenizer, texts: Sequence[str], device: torch.device
) -> Floats:
    """(N, D), unit length; those of like length together."""
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]), reverse=True)
    vectors = np.zeros((len(texts), model.config.d_model), np.float32)
    for start in range(0, len(order), _TEXTS_AT_ONCE):
        some = order[start : start + _TEXTS_AT_ONCE]
        encoded: Texts = tokenizer.encode([texts[place] for place in some]).to(device)
        vectors[some] = model(encoded).float().cpu().numpy()
    return vectors


def judge_vectors(
    questions: Floats, passages: Floats, asked: Sequence[Asked], *, seed: int
) -> Judged:
    """questions (Q, D) of the held-out questions, passages (N, D) of the corpus."""
    ranks = []
    for question, each in zip(questions, asked, strict=True):
        row = passages @ question  # (N,): all at once would take memory by the square
        others = list(each.also - {each.gold})
        row[others] = -np.inf
        ranks.append(1 + int((row > row[each.gold]).sum()))
    return Judged(tuple(ranks), seed)


def mine(
    questions: Floats, passages: Floats, asked: Sequence[Asked], *, number: int
) -> list[list[int]]:
    """The passages nearest to each question that do not hold its answer."""
    mined = []
    for question, each in zip(questions, asked, strict=True):
        row = passages @ question  # (N,)
        row[[*each.also, each.gold]] = -np.inf
        nearest = np.argsort(-row, kind="stable")[:number]
        mined.append([int(place) for place in nearest if np.isfinite(row[place])])
    return mined
