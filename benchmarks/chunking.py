"""Compare ways to cut documents by the spans that answer questions. Trains and judges nothing.

Every question of `chunking_eval` names the exact spans that answer it. All corpora are cut and
embedded by the service's own embedder, and searched exactly and together. What is found is compared
with the spans character by character:

- recall: the share of the spans that was handed over;
- precision: the share of what was handed over that lies in the spans; what comes twice is paid
  for twice;
- IoU: what lies in both, over what lies in either;
- omega: the precision of somebody who found every chunk that touches a span, and no other.

Once with the best `k` pieces, once with as many as fill a budget of tokens (the last one is cut
there), so that large pieces have no advantage. Intervals are bootstrapped over questions;
differences to the first strategy are paired.
"""

import argparse
import csv
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from app.wiring import build_embedder
from benchmarks.chunking_strategies import STRATEGIES, Corpus, Model, Piece
from benchmarks.report import build_manifest, report
from benchmarks.vector_cache import CachedEmbedder
from core.models import ModelStore
from core.settings import load_settings
from core.tokens import FolderTokens

_SEED: Final = 20_261_125
_NUM_RESAMPLES: Final = 10_000
_QUICK_CORPORA: Final = ("state_of_the_union",)
_QUICK_STRATEGIES: Final = ("former_900c_120", "recursive_200_0", "fixed_200_0", "structure_128_0")
_LARGEST_FIELD: Final = 1 << 20

Floats = npt.NDArray[np.float64]
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and the spans of one corpus that answer it."""

    text: str
    corpus: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A piece that was handed over."""

    corpus: str
    start: int
    end: int


METRICS: Final = ("recall", "precision", "iou", "budget_recall", "budget_iou", "omega")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with chunking_eval/")
    parser.add_argument("--quick", action="store_true", help="one corpus, four strategies")
    parser.add_argument("--only", nargs="+", choices=STRATEGIES, help="these strategies")
    parser.add_argument("--k", type=int, default=5, help="pieces handed over")
    parser.add_argument("--budget", type=int, default=1000, help="tokens handed over")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    names = options.only or (_QUICK_STRATEGIES if options.quick else tuple(STRATEGIES))
    model = _load_model()
    corpora, questions = read_data(options.data / "chunking_eval", model, quick=options.quick)
    queries = model.embedder.embed_queries([question.text for question in questions])  # (Q, D)
    scores: dict[str, Floats] = {}
    figures: dict[str, float] = {}
    for name in names:
        began = time.perf_counter()
        pieces = [
            (corpus, piece) for corpus in corpora for piece in STRATEGIES[name](corpus, model)
        ]
        ranked = _rank(pieces, queries, model)  # (Q, N)
        limits = Limits(options.k, options.budget)
        scores[name] = judge(questions, pieces, ranked, limits)
        figures[f"{name}_pieces"] = len(pieces)
        figures |= _summary(name, scores[name], questions, scores[names[0]])
        _show(name, figures, len(pieces), time.perf_counter() - began)
    settings = {"n": len(questions), "seed": _SEED, "k": options.k, "budget": options.budget}
    report(figures, build_manifest("chunking", settings), json_path=options.json)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is handed over: so many pieces, or so many tokens."""

    num_pieces: int
    num_tokens: int


def read_data(
    folder: Path, model: Model, *, quick: bool = False
) -> tuple[list[Corpus], list[Question]]:
    """The corpora, and the questions on them."""
    csv.field_size_limit(_LARGEST_FIELD)
    with (folder / "questions_df.csv").open(encoding="utf-8", newline="") as file:
        questions = [_question(row) for row in csv.DictReader(file)]
    if quick:
        questions = [question for question in questions if question.corpus in _QUICK_CORPORA]
    corpora = []
    for name in sorted({question.corpus for question in questions}):
        # bytes: the offsets count characters of the file as it is
        text = (folder / "corpora" / f"{name}.md").read_bytes().decode()
        corpora.append(Corpus(name, text, model.tokens.starts(text)))
    return corpora, questions


def _question(row: Mapping[str, str]) -> Question:
    spans = tuple(
        (int(reference["start_index"]), int(reference["end_index"]))
        for reference in json.loads(row["references"])
    )
    return Question(row["question"], row["corpus_id"], spans)


def judge(
    questions: Sequence[Question],
    pieces: Sequence[tuple[Corpus, Piece]],
    ranked: npt.NDArray[np.int64],
    limits: Limits,
) -> Floats:
    """Metrics (Q, M) of every question, in the order of `METRICS`."""
    rows = []
    for question, order in zip(questions, ranked, strict=True):
        best = [pieces[index] for index in order]
        top = [Found(corpus.name, piece.start, piece.end) for corpus, piece in best]
        recall, precision, iou = overlap(question, top[: limits.num_pieces])
        within = list(_within(best, limits.num_tokens))
        budget_recall, _, budget_iou = overlap(question, within)
        touching = [
            Found(corpus.name, piece.start, piece.end)
            for corpus, piece in pieces
            if corpus.name == question.corpus and _shared(piece.start, piece.end, question.spans)
        ]
        omega = overlap(question, touching)[1]
        rows.append((recall, precision, iou, budget_recall, budget_iou, omega))
    return np.array(rows)


def overlap(question: Question, found: Sequence[Found]) -> tuple[float, float, float]:
    """Recall, precision and IoU of what was handed over, in characters."""
    handed = sum(piece.end - piece.start for piece in found)
    asked = sum(end - start for start, end in question.spans)
    own = _merged((piece.start, piece.end) for piece in found if piece.corpus == question.corpus)
    # a span that lies in two pieces is found once, and paid for twice
    hit = sum(_shared(start, end, question.spans) for start, end in own)
    return hit / asked, hit / max(1, handed), hit / (handed + asked - hit)


def _shared(start: int, end: int, spans: Iterable[Span]) -> int:
    return sum(max(0, min(end, last) - max(start, first)) for first, last in spans)


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _within(best: Iterable[tuple[Corpus, Piece]], num_tokens: int) -> Iterable[Found]:
    # the best pieces while they fit; the last is cut where the budget ends
    for corpus, piece in best:
        first, last = np.searchsorted(corpus.starts, (piece.start, piece.end))
        if last - first > num_tokens:
            yield Found(corpus.name, piece.start, int(corpus.starts[first + num_tokens]))
            return
        yield Found(corpus.name, piece.start, piece.end)
        num_tokens -= int(last - first)


def _rank(
    pieces: Sequence[tuple[Corpus, Piece]], queries: npt.NDArray[np.float32], model: Model
) -> npt.NDArray[np.int64]:
    vectors = model.embedder.embed_passages([piece.embedded for _, piece in pieces])  # (N, D)
    return np.argsort(-(queries @ vectors.T), axis=1, kind="stable")  # (Q, N)


def _summary(
    name: str, scores: Floats, questions: Sequence[Question], base: Floats
) -> dict[str, float]:
    figures = {}
    for column, metric in enumerate(METRICS):
        low, high = interval(scores[:, column])
        figures[f"{name}_{metric}"] = float(scores[:, column].mean())
        figures |= {f"{name}_{metric}_low": low, f"{name}_{metric}_high": high}
        low, high = interval(scores[:, column] - base[:, column])
        figures |= {f"{name}_{metric}_gain_low": low, f"{name}_{metric}_gain_high": high}
    for corpus in sorted({question.corpus for question in questions}):
        own = np.array([question.corpus == corpus for question in questions])
        for column, metric in enumerate(METRICS):
            figures[f"{name}_{corpus}_{metric}"] = float(scores[own, column].mean())
    return figures


def interval(values: Floats) -> tuple[float, float]:
    """The 95% interval of the mean, by resampling."""
    rng = np.random.default_rng(_SEED)
    means = [
        rng.choice(values, (500, len(values))).mean(axis=1) for _ in range(_NUM_RESAMPLES // 500)
    ]
    low, high = np.percentile(np.concatenate(means), (2.5, 97.5))
    return float(low), float(high)


def _show(name: str, figures: Mapping[str, float], num_pieces: int, seconds: float) -> None:
    cells = []
    for metric in METRICS:
        key = f"{name}_{metric}"
        cells.append(
            f"{metric} {figures[key]:.3f} [{figures[key + '_low']:.3f}, "
            f"{figures[key + '_high']:.3f}]"
        )
    print(f"{name:20} {num_pieces:6} pieces {seconds:6.0f} s  " + "  ".join(cells), flush=True)


def _load_model() -> Model:
    settings = load_settings()
    folder = ModelStore(settings.models_dir).get(settings.models.embedding)
    return Model(CachedEmbedder(build_embedder(settings)), FolderTokens(folder))


if __name__ == "__main__":
    main()
