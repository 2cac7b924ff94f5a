"""Measure which passages are found: by words, by meaning, by both; with intervals.

Every question goes through the service's own retriever over a library built from the text set: a
paragraph is a chunk, its article's title is the document's name, and is embedded and indexed with
it, as ingestion does. Vectors are kept in --cache, so that a corpus is embedded once. Weights of
the fusion are tried on the same candidates; --rerank adds a reranker's order of the first of them,
alone and added to the fusion's; --refine what else can be done with what is found: duplicates
dropped, diversity, questions split. These are the development sides of the sets.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from app.judging_models import build_reranker
from app.wiring import build_embedder, build_local_generator
from benchmarks.report import build_manifest, report
from benchmarks.retrieval_library import OpenLibrary, Paragraph, open_library
from benchmarks.text_sets import read_rows
from benchmarks.vector_cache import StoredEmbedder
from core.access import Access
from core.settings import load_settings
from core.types import Passage
from retrieval.fusion import LEXICAL_WEIGHT
from retrieval.reranking import NO_RERANKING, Reranking
from retrieval.types import Mode, Refining

_SEED: Final = 20_261_125
_NUM_RESAMPLES: Final = 2_000
_DEPTH: Final = 50
_QUICK_QUESTIONS: Final = 60
_QUICK_PARAGRAPHS: Final = 300
_WEIGHTS: Final = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
# of nats a token, or of a logit
_RERANK_WEIGHTS: Final = (0.01, 0.02, 0.05, 0.1, 0.2)
_PLAIN: Final = Refining(rerank=False, keep_duplicates=True)
_OPTIONS: Final = {
    "distinct": replace(_PLAIN, keep_duplicates=False),
    "split": replace(_PLAIN, split=True),
    **{f"diverse {share}": replace(_PLAIN, diversity=share) for share in (0.1, 0.2, 0.3, 0.5)},
}
# of passages that differ, out of four times as many
_PICKED: Final = 20
_METRICS: Final = ("r1", "r5", "r20", "mrr10", "ndcg10")
_EVERYTHING: Final = Access.to_everything()

Floats = npt.NDArray[np.float64]
Ranked = list[list[Passage]]


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the names of the paragraphs that answer it."""

    text: str
    gold: frozenset[str]


@dataclass(frozen=True, slots=True)
class Task:
    """Questions over a corpus."""

    name: str
    paragraphs: tuple[Paragraph, ...]
    questions: tuple[Question, ...]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the text sets")
    parser.add_argument("--cache", type=Path, required=True, help="folder for vectors")
    parser.add_argument("--quick", action="store_true", help="few questions over few paragraphs")
    parser.add_argument(
        "--cached", action="store_true", help="only paragraphs whose vectors are there, and gold"
    )
    parser.add_argument("--only", action="append", help="only this task; may be repeated")
    parser.add_argument("--questions", type=int, help="only so many of each task, drawn at random")
    parser.add_argument("--refine", action="store_true", help="measure the options of a search too")
    parser.add_argument("--rerank", metavar="RERANKER", help="likelihood, or a cross-encoder")
    parser.add_argument("--rerank-depth", type=int, default=20, help="passages that it reads")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    embedder = StoredEmbedder(build_embedder(load_settings()), options.cache / "vectors.db")
    reranking = load_reranking(options.rerank, options.rerank_depth)
    figures: dict[str, float] = {}
    sizes: dict[str, str | int | float] = {"seed": _SEED}
    for name, build in _TASKS.items():
        if options.only and name not in options.only:
            continue
        task = build(options.data)
        if options.quick:
            task = _shrink(task, lambda _: False, _QUICK_QUESTIONS, _QUICK_PARAGRAPHS)
        elif options.cached:
            task = _shrink(task, embedder.has, options.questions, 0)
        elif options.questions:
            task = _shrink(task, lambda _: True, options.questions, 0)
        print(f"\n{name}: {len(task.questions)} questions, {len(task.paragraphs)} paragraphs")
        sizes |= {f"{name}_n": len(task.questions), f"{name}_paragraphs": len(task.paragraphs)}
        with open_library(task.paragraphs, embedder, reranking) as library:
            figures |= measure(task, library, _OPTIONS if options.refine else {})
    embedder.close()
    figures |= _aliases(figures)
    report(figures, build_manifest("retrieval", sizes), json_path=options.json)


def load_reranking(name: str | None, depth: int) -> Reranking:
    """The reranker that a setting of this name stands for."""
    settings = load_settings()
    if name is None:
        return NO_RERANKING
    chosen = settings.model_copy(
        update={"retrieval": settings.retrieval.model_copy(update={"reranker": name})}
    )
    return Reranking(build_reranker(chosen, build_local_generator(settings)), depth)


def measure(task: Task, library: OpenLibrary, options: Mapping[str, Refining]) -> dict[str, float]:
    """Ask every question in every way; print and return the metrics."""
    rankings: dict[str, Ranked] = {
        mode: [_ask(library, question, mode, _PLAIN) for question in task.questions]
        for mode in Mode
    }
    for label, refining in options.items():
        rankings[label] = [
            _ask(library, question, Mode.HYBRID, refining) for question in task.questions
        ]
    both = rankings[Mode.HYBRID]
    for weight in _WEIGHTS:
        rankings[f"weight {weight}"] = [_reorder(found, lexical=weight) for found in both]
    if library.reranking.reranker.is_set:
        reranked = [_rerank(library, question) for question in task.questions]
        rankings["rerank"] = reranked
        for weight in _RERANK_WEIGHTS:
            rankings[f"rerank {weight}"] = [_reorder(found, rerank=weight) for found in reranked]
    scores = {
        label: np.array(
            [
                _judge([library.names[passage.id] for passage in found], question.gold)
                for found, question in zip(ranked, task.questions, strict=True)
            ]
        )  # (Q, M)
        for label, ranked in rankings.items()
    }
    figures = _tell(f"{task.name}_", scores)
    print(f"  against {Mode.HYBRID}, question by question:")
    gains = {label: each - scores[Mode.HYBRID] for label, each in scores.items()}
    return figures | _tell(f"{task.name}_gain_", gains)


def _tell(prefix: str, scores: Mapping[str, Floats]) -> dict[str, float]:
    """Print a row of means with intervals for each; the same as figures."""
    figures: dict[str, float] = {}
    print(f"  {'':<12}" + "".join(f"{metric:>26}" for metric in _METRICS))
    for label, each in scores.items():
        low, high = _interval(each)
        rows = list(zip(_METRICS, each.mean(0), low, high, strict=True))
        print(f"  {label:<12}" + "".join(f"{m:>10.3f} [{a:6.3f},{b:6.3f}]" for _, m, a, b in rows))
        key = f"{prefix}{label.replace(' ', '_')}"
        for metric, mean, a, b in rows:
            figures[f"{key}_{metric}"] = float(mean)
            figures[f"{key}_{metric}_low"], figures[f"{key}_{metric}_high"] = float(a), float(b)
    return figures


def _ask(library: OpenLibrary, question: Question, mode: Mode, refining: Refining) -> list[Passage]:
    return library.retriever.retrieve(
        question.text,
        access=_EVERYTHING,
        top_k=_PICKED if refining.diversity else _DEPTH,
        mode=mode,
        refining=refining,
    )


def _rerank(library: OpenLibrary, question: Question) -> list[Passage]:
    """As deep as the reranker reads."""
    return library.retriever.retrieve(
        question.text,
        access=_EVERYTHING,
        top_k=library.reranking.depth,
        refining=replace(_PLAIN, rerank=True),
    )


def _reorder(
    found: Sequence[Passage], *, lexical: float = LEXICAL_WEIGHT, rerank: float = 0.0
) -> list[Passage]:
    """The hybrid's candidates under other weights."""

    def score(passage: Passage) -> float:
        scores = passage.scores
        fused = scores["dense"] + lexical * scores.get("lexical", 0.0)
        return fused + rerank * scores.get("rerank", 0.0)

    return sorted(found, key=score, reverse=True)


def _judge(ranked: Sequence[str], gold: frozenset[str]) -> list[float]:
    """Recall at 1, 5 and 20, MRR at 10, nDCG at 10, with gains of 0 and 1."""
    hits = np.array([name in gold for name in ranked] + [False] * _DEPTH)[:_DEPTH]
    discounts = 1 / np.log2(np.arange(10) + 2)
    places = np.flatnonzero(hits[:10])
    return [
        *(hits[:depth].sum() / len(gold) for depth in (1, 5, 20)),
        1 / (1 + places[0]) if len(places) else 0.0,
        float((hits[:10] * discounts).sum() / discounts[: len(gold)].sum()),
    ]


def _interval(scores: Floats) -> tuple[Floats, Floats]:
    """95 % by bootstrap over questions; the same resamples for every ranker, so they pair."""
    rng = np.random.default_rng(_SEED)
    picks = rng.integers(0, len(scores), (_NUM_RESAMPLES, len(scores)))
    means = np.stack([scores[pick].mean(0) for pick in picks])
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return low, high


def _shrink(
    task: Task,
    is_kept: Callable[[str], bool],
    num_questions: int | None,
    num_others: int,
) -> Task:
    """Fewer questions, over their gold, texts that `is_kept`, and so many other paragraphs."""
    rng = np.random.default_rng(_SEED)
    order = rng.permutation(len(task.questions))[:num_questions]
    questions = tuple(task.questions[index] for index in sorted(order))
    gold = frozenset().union(*(question.gold for question in questions))
    others = [item.name for item in task.paragraphs if item.name not in gold]
    chosen = {others[index] for index in rng.permutation(len(others))[:num_others]}
    kept = [
        item
        for item in task.paragraphs
        if item.name in gold or item.name in chosen or is_kept(item.embedded)
    ]
    return replace(task, paragraphs=tuple(kept), questions=questions)


def _aliases(figures: Mapping[str, float]) -> dict[str, float]:
    """The figures that api.md names: the service's default, and words alone."""
    names = {
        "xquad_en_r5": "xquad_en_hybrid_r5",
        "squad_es_r5": "squad_es_hybrid_r5",
        "xquad_es_en_r5": "xquad_es_en_hybrid_r5",
        "scifact_ndcg10": "scifact_hybrid_ndcg10",
        "scifact_bm25_ndcg10": "scifact_lexical_ndcg10",
    }
    return {name: figures[key] for name, key in names.items() if key in figures}


def _paragraphs(path: Path, language: str) -> tuple[Paragraph, ...]:
    return tuple(
        Paragraph(row["_id"], row["title"].replace("_", " "), row["text"].strip(), language)
        for row in read_rows(path)
    )


def _questions(queries: Path, qrels: Path) -> Iterator[Question]:
    gold: dict[str, set[str]] = {}
    for line in qrels.read_text(encoding="utf-8").splitlines()[1:]:
        query, paragraph, relevance = line.split("\t")[:3]
        if float(relevance) > 0:
            gold.setdefault(query, set()).add(paragraph)
    for row in read_rows(queries):
        if row["_id"] in gold:
            yield Question(row["text"].strip(), frozenset(gold[row["_id"]]))


def _multihop(data: Path) -> Task:
    """HotpotQA: questions that two articles answer together, over the articles of all of them."""
    folder = data / "multihop"
    articles = json.loads((folder / "hotpotqa_train_corpus.json").read_text(encoding="utf-8"))
    paragraphs = (
        Paragraph(title, title, "".join(sentences).strip(), "en")
        for title, sentences in articles.items()
    )
    questions = (
        Question(row["question"].strip(), frozenset(title for title, _ in row["supporting_facts"]))
        for row in json.loads((folder / "hotpotqa_train.json").read_text(encoding="utf-8"))
    )
    return Task("multihop", tuple(paragraphs), tuple(questions))


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the parts of a task lie below the data folder."""

    name: str
    corpus: str
    language: str
    queries: str
    qrels: str

    def __call__(self, data: Path) -> Task:
        questions = _questions(data / self.queries, data / self.qrels)
        return Task(self.name, _paragraphs(data / self.corpus, self.language), tuple(questions))


_EN: Final = ("squad_en/corpus.jsonl", "en")
_ES: Final = ("xquad/corpus.es.jsonl", "es")
_TASKS: Final[Mapping[str, Callable[[Path], Task]]] = {
    "multihop": _multihop,
    **{
        source.name: source
        for source in (
            _Source("xquad_en", *_EN, "xquad/queries.en.jsonl", "xquad/qrels.en_over_squad_en.tsv"),
            _Source(
                "xquad_es_en",
                *_EN,
                "xquad/queries.es.jsonl",
                "xquad/qrels.es_question_over_squad_en.tsv",
            ),
            _Source("xquad_es", *_ES, "xquad/queries.es.jsonl", "xquad/qrels.es_over_xquad_es.tsv"),
            _Source(
                "xquad_en_es",
                *_ES,
                "xquad/queries.en.jsonl",
                "xquad/qrels.en_question_over_xquad_es.tsv",
            ),
            _Source(
                "squad_es",
                "squad_es/v1.1.corpus.jsonl",
                "es",
                "squad_es/v1.1.queries.jsonl",
                "squad_es/v1.1.qrels.tsv",
            ),
            _Source(
                "scifact",
                "scifact/corpus.jsonl",
                "en",
                "scifact/queries.train.jsonl",
                "scifact/qrels.train.tsv",
            ),
        )
    },
}


if __name__ == "__main__":
    main()
