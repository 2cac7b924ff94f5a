"""How well an extractor reads held-out passages, and tells which of them do not answer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.statistics import Interval, mean_interval
from generation.agreeing import share_words
from generation.pointing import extract
from generation.training.extractor.batches import (
    PairBatch,
    build_batch,
    cut_passes,
    sum_surprise,
)
from generation.training.extractor.model import ExtractorModel
from generation.training.extractor.pairs import Pair
from generation.training.running import Measured
from generation.training.trainer import Trainer


@dataclass(frozen=True, slots=True)
class Judged:
    """Of the passages that answer: the words shared with the answer, and whether they are to the
    letter, where it must point; and of all passages, the chance that it gave to the truth of
    whether they answer.
    """

    loss: float
    shared: tuple[float, ...]
    exact: tuple[float, ...]
    answers_seen: tuple[float, ...]
    others_seen: tuple[float, ...]
    seed: int

    @property
    def measured(self) -> Measured:
        """As much by the words as by what it thinks of passages that do and do not answer."""
        seen = [_mean(each) for each in (self.answers_seen, self.others_seen) if each]
        told = sum(seen) / len(seen) if seen else 0.0
        return Measured(self.loss, (_mean(self.shared) + told) / 2)

    def rows(self) -> list[tuple[str, Interval]]:
        """What the card tells, each with its 95 % interval."""
        told = {
            "F1 of the words pointed at": self.shared,
            "answers pointed at to the letter": self.exact,
            "passages that answer, found to": self.answers_seen,
            "passages that do not, found not to": self.others_seen,
        }
        return [(name, mean_interval(v, seed=self.seed)) for name, v in told.items() if v]

    def __str__(self) -> str:
        told = ", ".join(f"{name} {figure.value:.3f}" for name, figure in self.rows())
        return f"loss {self.loss:.3f}, {told}"


def judge(
    trainer: Trainer[ExtractorModel, PairBatch],
    pairs: Sequence[Pair],
    *,
    pass_tokens: int,
    seed: int,
) -> Judged:
    """Read every pair once."""
    shared, exact, answers_seen, others_seen = [], [], [], []
    ordered: list[Pair] = []
    losses = []
    for some in cut_passes(pairs, pass_tokens):
        batch = build_batch(some)
        scores = trainer.compute(lambda model, b: model(b.texts, b.allowed), batch).cpu()
        losses.append(sum_surprise(scores, batch).item())
        for pair, of_pair in zip(some, scores, strict=True):
            extraction = extract(pair.tokens, of_pair.numpy(), pair.asked.passage)
            if pair.asked.answer is None:
                others_seen.append(float(extraction.no_answer > 0.5))
                continue
            answers_seen.append(float(extraction.no_answer <= 0.5))
            said = extraction.spans[0].text if extraction.spans else ""
            shared.append(share_words(said, pair.asked.answer))
            exact.append(float(said.casefold() == pair.asked.answer.casefold()))
        ordered += some
    return Judged(
        sum(losses) / len(ordered),
        tuple(shared),
        tuple(exact),
        tuple(answers_seen),
        tuple(others_seen),
        seed,
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
