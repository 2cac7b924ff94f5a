"""Fit and judge the confidence that decides refusals. Reports what it costs in false refusals.

Every question that has an answer is asked twice: of a library that holds its article, and of what
is left when the article is taken away. Questions without an answer are near misses: the article
that they nearly are about is there. Passages are found by the service's own hybrid retrieval over
chunks of its own size. A question's confidence comes from weights that were fitted on other
articles (five folds), and is right when it is high where the quote holds the gold answer. Questions
of the near-miss sets whose article is there count three times in a fit.

The threshold is where at most 15 % of the near-miss sets' questions are refused although their gold
is in the context. Intervals are bootstrapped over articles: questions on one are alike.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from app.wiring import build_embedder
from benchmarks.answer_sets import NAMES, SEED, Question, TextSet, load_text_set
from benchmarks.report import build_manifest, report
from benchmarks.retrieval_library import open_library
from benchmarks.vector_cache import StoredEmbedder
from core.access import Access
from core.embedding import Embedder
from core.settings import load_settings
from core.statistics import Difference, Interval, Rows, bootstrap
from core.types import Passage
from generation.calibrating import (
    Booleans,
    Case,
    Floats,
    cross_validate,
    fit_weights,
    risk_coverage,
)
from generation.evidence import EvidenceRanker
from generation.question_fit import fit_question
from generation.quoting import choose_quotes, quotation

NUM_PASSAGES: Final = 8
# of these, as by default
NUM_READ: Final = 4
# deep enough for eight passages of other articles
_DEPTH: Final = 50
_QUICK_QUESTIONS: Final = 40
_QUICK_OTHERS: Final = 60
_NUM_RESAMPLES: Final = 1_000
MAX_FALSE_REFUSALS: Final = 0.15
# similarities differ by language, and words can match inside one only: these are fitted apart
_GROUPS: Final = {
    "en": ("xquad_en", "clapnq"),
    "es": ("xquad_es", "squad_es"),
    "across": ("xquad_es_en",),
}
NEAR_MISSES: Final = ("squad_es", "clapnq")
# How often their questions count in a fit: the others, which are easier, would outnumber them.
_NEAR_WEIGHT: Final = 3.0

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Asked:
    """One question over one library: what confidence sees, and what is true."""

    set_name: str
    case: Case
    retrieval_score: float
    is_answerable: bool
    gold_is_read: bool
    article_is_gone: bool


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the text sets")
    parser.add_argument("--cache", type=Path, required=True, help="folder for vectors")
    parser.add_argument("--quick", action="store_true", help="few questions over few paragraphs")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    embedder = StoredEmbedder(build_embedder(load_settings()), options.cache / "vectors.db")
    asked: list[Asked] = []
    for name in NAMES:
        limits = (_QUICK_QUESTIONS, _QUICK_OTHERS) if options.quick else (None, None)
        text_set = load_text_set(
            options.data, name, embedder.tokens, limit=limits[0], num_others=limits[1]
        )
        print(f"{name}: {len(text_set.questions)} questions, {len(text_set.chunks)} chunks")
        asked += ask_all(text_set, embedder)
    embedder.close()
    figures = judge(asked)
    settings: dict[str, str | int | float] = {"n": len(asked), "seed": SEED}
    report(figures, build_manifest("confidence", settings), json_path=options.json)


def ask_all(text_set: TextSet, embedder: Embedder) -> list[Asked]:
    """Ask every question with its article, and those that have an answer without it too."""
    ranker = EvidenceRanker(embedder)
    return [
        item
        for question, found, is_gone in find_passages(text_set, text_set.questions, embedder)
        for item in _ask(text_set.name, question, found, ranker, article_is_gone=is_gone)
    ]


def find_passages(
    text_set: TextSet, questions: Sequence[Question], embedder: Embedder
) -> Iterator[tuple[Question, list[Passage], bool]]:
    """Each question with what is found, best first, and whether its article was taken away.

    That is so a second time for each that has an answer.
    """
    embedder.embed_queries([question.text for question in questions])
    with open_library(text_set.chunks, embedder) as library:
        for question in questions:
            found = library.retriever.retrieve(
                question.text, access=Access.to_everything(), top_k=_DEPTH
            )
            yield question, found, False
            if question.is_answerable:
                article = question.gold.article
                yield question, [item for item in found if item.document_name != article], True


def _ask(
    set_name: str,
    question: Question,
    found: Sequence[Passage],
    ranker: EvidenceRanker,
    *,
    article_is_gone: bool,
) -> list[Asked]:
    passages = found[:NUM_PASSAGES]
    evidence = ranker.rank(question.text, passages[:NUM_READ])
    if not evidence:
        return []
    quote = quotation(choose_quotes(evidence))
    can_be_right = question.is_answerable and not article_is_gone
    is_near = set_name in NEAR_MISSES and not article_is_gone
    return [
        Asked(
            set_name,
            Case(
                fit_question(question.text, passages, evidence),
                is_right=can_be_right and question.gold.is_held_by(quote),
                # XQuAD and both languages of one article share a fold
                group=question.gold.article.casefold(),
                weight=_NEAR_WEIGHT if is_near else 1.0,
            ),
            retrieval_score=passages[0].score,
            is_answerable=can_be_right,
            gold_is_read=can_be_right and question.gold.is_in(passages[:NUM_READ]),
            article_is_gone=article_is_gone,
        )
    ]


def judge(asked: Sequence[Asked]) -> Figures:
    """Fit each group, and report its weights and what cross-validation says of each set.

    One threshold serves all: chances mean the same in every language.
    """
    figures: Figures = {}
    for group, names in _GROUPS.items():
        weights = fit_weights([item.case for item in asked if item.set_name in names])
        figures[f"{group}_intercept"] = weights.intercept
        figures |= {f"{group}_{name}": value for name, value in weights.by_field.items()}
    chances = chances_of_others(asked)
    threshold = _threshold(asked, chances)
    figures["threshold"] = threshold
    seen = _Seen.of(asked, chances, threshold)
    figures |= _judge_near_misses(asked, seen)
    for name in {item.set_name: None for item in asked}:
        figures |= _judge_set(name, asked, seen)
    return figures


def chances_of_others(asked: Sequence[Asked]) -> Floats:
    """The chance of each question by weights of its group that never saw its article -> (N,)."""
    chances = np.zeros(len(asked))
    for names in _GROUPS.values():
        rows = [row for row, item in enumerate(asked) if item.set_name in names]
        if rows:
            chances[rows] = cross_validate([asked[row].case for row in rows], seed=SEED)
    return chances


def judge_near_misses(asked: Sequence[Asked]) -> Figures:
    """Refusals on the near-miss sets together, at the threshold."""
    chances = chances_of_others(asked)
    return _judge_near_misses(asked, _Seen.of(asked, chances, _threshold(asked, chances)))


def _judge_near_misses(asked: Sequence[Asked], seen: "_Seen") -> Figures:
    near = np.array([item.set_name in NEAR_MISSES for item in asked]) & ~seen.gone
    rate = float(seen.refused[near & seen.gold_is_read].mean())
    names = ("refusal_f1", "refusal_risk_area_gain")
    return {"false_refusal_rate": rate, **_judge_rows(asked, seen, np.flatnonzero(near), names)}


def _threshold(asked: Sequence[Asked], chances: Floats) -> float:
    """Where at most the allowed share of what could be answered is refused, near misses first."""
    judged = [item.set_name in NEAR_MISSES for item in asked]
    is_near = np.array(judged if any(judged) else [True] * len(asked))
    is_read = np.array([item.gold_is_read for item in asked])
    return float(np.quantile(chances[is_near & is_read], MAX_FALSE_REFUSALS))


def _judge_set(name: str, asked: Sequence[Asked], seen: "_Seen") -> Figures:
    of_set = np.array([item.set_name == name for item in asked])
    figures: Figures = {f"{name}_n": float(of_set.sum())}
    kinds = {"near_miss": ~seen.gone, "gone": seen.gone | seen.answerable}
    for kind, mask in kinds.items():
        rows = np.flatnonzero(of_set & mask)
        if not seen.answerable[rows].all():
            names = (f"{name}_{kind}_refusal_f1", f"{name}_{kind}_risk_area_gain")
            figures |= _judge_rows(asked, seen, rows, names)
    figures[f"{name}_false_refusals"] = float(seen.refused[of_set & seen.gold_is_read].mean())
    figures[f"{name}_right_when_answered"] = float(seen.right[of_set & ~seen.refused].mean())
    return figures


def _judge_rows(
    asked: Sequence[Asked], seen: "_Seen", rows: Rows, names: tuple[str, str]
) -> Figures:
    """F1 of refusals and the gain over the retrieval score on some questions, under `names`."""
    groups = [asked[row].case.group for row in rows.tolist()]

    def f1(picked: Rows) -> float:
        return refusal_f1(seen.refused[rows[picked]], ~seen.answerable[rows[picked]])

    def gain(picked: Rows) -> float:
        return seen.gain_of_confidence(rows[picked])

    figures: Figures = {}
    for name, statistic in zip(names, (f1, gain), strict=True):
        interval = bootstrap(statistic, groups, seed=SEED, num_resamples=_NUM_RESAMPLES)
        figures |= with_interval(name, interval)
    return figures


@dataclass(frozen=True, slots=True)
class _Seen:
    """The questions as columns."""

    answerable: Booleans
    gone: Booleans
    gold_is_read: Booleans
    right: Booleans
    scores: Floats
    chances: Floats
    refused: Booleans

    @classmethod
    def of(cls, asked: Sequence[Asked], chances: Floats, threshold: float) -> "_Seen":
        return cls(
            answerable=np.array([item.is_answerable for item in asked]),
            gone=np.array([item.article_is_gone for item in asked]),
            gold_is_read=np.array([item.gold_is_read for item in asked]),
            right=np.array([item.case.is_right for item in asked]),
            scores=np.array([item.retrieval_score for item in asked]),
            chances=chances,
            refused=chances < threshold,
        )

    def gain_of_confidence(self, rows: Rows) -> float:
        """How much smaller the area below the curve of risk is than by the retrieval score."""
        right = self.right[rows]
        by_score = risk_coverage(self.scores[rows], right).area
        return by_score - risk_coverage(self.chances[rows], right).area


def refusal_f1(refused: Booleans, should_be: Booleans) -> float:
    """F1 of refusals against what should be refused."""
    hits = int((refused & should_be).sum())
    return 2 * hits / max(1, int(refused.sum()) + int(should_be.sum()))


def with_interval(name: str, interval: Interval | Difference) -> Figures:
    """A figure and its bounds under names of their own."""
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


if __name__ == "__main__":
    main()
