"""Fit and judge the confidence that decides refusals. Reports what it costs in false refusals.

Questions of XQuAD (English, Spanish, and Spanish over English text) are asked twice: over a corpus
that holds their paragraph, and over the same corpus without the articles they come from. Confidence
is right when it is high where the quote holds the gold answer and low where it does not.
"""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.report import build_manifest, report
from benchmarks.text_sets import build_passage, read_rows
from core.embedding import Embedder, EmbedderSpec
from core.local_embedder import LocalEmbedder
from core.models import ModelStore, get_spec
from core.settings import Settings, load_settings
from generation.confidence import evidence_confidence, features
from generation.evidence import EvidenceRanker
from generation.quoting import choose_quotes, quotation
from generation.words import fold

_SEED: Final = 20_261_123
_NUM_PASSAGES: Final = 4
_NUM_DISTRACTORS: Final = 600
_NUM_FOLDS: Final = 5
# words can match inside one language only, so the two are fitted apart
_GROUPS: Final = {"same": ("en", "es"), "across": ("es_en",)}
_THRESHOLDS: Final = (0.3, 0.35, 0.4, 0.5)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Question:
    """A question, its gold answers and the paragraph that holds them."""

    text: str
    answers: tuple[str, ...]
    gold_id: str
    language: str


@dataclass(frozen=True, slots=True)
class Case:
    """One question over one corpus: what the ranker saw, and whether its best was right."""

    features: tuple[float, ...]
    confidence: float
    is_right: bool
    has_gold: bool
    language: str


class CachedEmbedder:
    """Embeds every text once: the same sentences come up for many questions."""

    def __init__(self, inner: Embedder) -> None:
        self.model = inner.model
        self.num_dimensions = inner.num_dimensions
        self.tokens = inner.tokens
        self._inner = inner
        self._vectors: dict[str, npt.NDArray[np.float32]] = {}

    def embed_queries(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed N questions -> (N, D)."""
        return self._inner.embed_queries(texts)

    def embed_passages(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed N passages -> (N, D), each text once in this process."""
        new = sorted({text for text in texts if text not in self._vectors}, key=len)
        for text, vector in zip(new, self._inner.embed_passages(new), strict=True):
            self._vectors[text] = vector
        return np.stack([self._vectors[text] for text in texts])


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with xquad/ and squad_en/")
    parser.add_argument("--quick", action="store_true", help="50 questions a language")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    embedder = CachedEmbedder(load_embedder(load_settings()))
    cases = collect_cases(options.data, embedder, limit=50 if options.quick else None)
    figures = judge(cases)
    settings: dict[str, str | int | float] = {
        "n": len(cases),
        "seed": _SEED,
    }
    report(figures, build_manifest("confidence", settings), json_path=options.json)


def collect_cases(data: Path, embedder: Embedder, *, limit: int | None) -> list[Case]:
    """Ask every question with and without its articles in the corpus."""
    rng = np.random.default_rng(_SEED)
    cases: list[Case] = []
    english = _english(data, rng)
    for language, corpus, questions in (english, _spanish(data), _across(data, english[1])):
        ids = list(corpus)
        vectors = embedder.embed_passages([corpus[name] for name in ids])  # (N, D)
        chosen = [questions[index] for index in rng.permutation(len(questions))[:limit]]
        queries = embedder.embed_queries([question.text for question in chosen])  # (Q, D)
        ranker = EvidenceRanker(embedder)
        for question, scores in zip(chosen, queries @ vectors.T, strict=True):
            order = [ids[index] for index in np.argsort(-scores)]
            article = _article(question.gold_id)
            for has_gold in (True, False):
                kept = [name for name in order if has_gold or _article(name) != article]
                passages = [build_passage(name, corpus[name]) for name in kept[:_NUM_PASSAGES]]
                evidence = ranker.rank(question.text, passages)
                quote = fold(quotation(choose_quotes(evidence))) if evidence else ""
                is_right = any(fold(answer) in quote for answer in question.answers)
                chance = evidence_confidence(question.text, evidence)
                cases.append(Case(features(evidence), chance, is_right, has_gold, language))
    return cases


def load_embedder(settings: Settings) -> Embedder:
    """The embedding model that the service would use."""
    traits = get_spec(settings.models.embedding).embedding
    assert traits is not None, f"{settings.models.embedding} does not embed"
    spec = EmbedderSpec(
        settings.models.embedding, traits.dimensions, traits.query_prefix, traits.passage_prefix
    )
    return LocalEmbedder(ModelStore(settings.models_dir).get(spec.model), spec)


def judge(cases: Sequence[Case]) -> dict[str, float]:
    """Fit each group with cross-validation, and report it beside the built-in weights."""
    figures: dict[str, float] = {}
    for group, languages in _GROUPS.items():
        chosen = [case for case in cases if case.language in languages]
        inputs = np.array([case.features for case in chosen])  # (N, F)
        right = np.array([case.is_right for case in chosen], dtype=float)  # (N,)
        names = ("intercept", "similarity", "coverage", "lead")
        for name, weight in zip(names, fit_logistic(inputs, right), strict=True):
            figures[f"{group}_fitted_{name}"] = float(weight)
        figures |= _rates(chosen, _cross_validate(inputs, right), f"{group}_crossval")
    for language in sorted({case.language for case in cases}):
        chosen = [case for case in cases if case.language == language]
        figures |= _rates(chosen, np.array([case.confidence for case in chosen]), language)
    return figures


def fit_logistic(inputs: Floats, labels: Floats, *, ridge: float = 1e-3) -> Floats:
    """Weights (1 + F,), intercept first, by Newton's method with a small ridge."""
    design = np.column_stack([np.ones(len(inputs)), inputs])  # (N, 1 + F)
    weights = np.zeros(design.shape[1])
    for _ in range(50):
        chances = 1 / (1 + np.exp(-design @ weights))
        gradient = design.T @ (labels - chances) - ridge * weights
        curvature = (design * (chances * (1 - chances))[:, None]).T @ design
        step = np.linalg.solve(curvature + ridge * np.eye(len(weights)), gradient)
        weights += step
        if np.abs(step).max() < 1e-8:
            break
    return weights


def _predict(weights: Floats, inputs: Floats) -> Floats:
    chances: Floats = 1 / (1 + np.exp(-(weights[0] + inputs @ weights[1:])))
    return chances


def _cross_validate(inputs: Floats, labels: Floats) -> Floats:
    # a question's two cases lie side by side and must be in one fold
    folds = (np.arange(len(labels)) // 2) % _NUM_FOLDS
    chances = np.zeros(len(labels))
    for fold_index in range(_NUM_FOLDS):
        held_out = folds == fold_index
        weights = fit_logistic(inputs[~held_out], labels[~held_out])
        chances[held_out] = _predict(weights, inputs[held_out])
    return chances


def _rates(cases: Sequence[Case], chances: Floats, name: str) -> dict[str, float]:
    right = np.array([case.is_right for case in cases])
    has_gold = np.array([case.has_gold for case in cases])
    figures = {
        f"{name}_auc": _auc(chances, right),
        f"{name}_brier": float(np.mean((chances - right) ** 2)),
    }
    for threshold in _THRESHOLDS:
        refused = chances < threshold
        hits = int((refused & ~has_gold).sum())
        precision = hits / max(1, int(refused.sum()))
        recall = hits / max(1, int((~has_gold).sum()))
        label = f"{name}_at_{threshold}"
        figures[f"{label}_refusal_f1"] = 2 * precision * recall / max(1e-9, precision + recall)
        figures[f"{label}_false_refusals"] = float(refused[has_gold].mean())
        figures[f"{label}_right_when_answered"] = float(right[~refused].mean())
    return figures


def _auc(chances: Floats, right: npt.NDArray[np.bool_]) -> float:
    ranks = np.argsort(np.argsort(chances)) + 1.0
    num_right, num_wrong = int(right.sum()), int((~right).sum())
    return float((ranks[right].sum() - num_right * (num_right + 1) / 2) / (num_right * num_wrong))


def _english(data: Path, rng: np.random.Generator) -> tuple[str, dict[str, str], list[Question]]:
    whole = {row["_id"]: row["text"] for row in read_rows(data / "squad_en/corpus.jsonl")}
    questions = _questions(data, "en", "en_over_squad_en")
    kept = {question.gold_id for question in questions}
    others = sorted(whole.keys() - kept)
    kept |= {others[index] for index in rng.permutation(len(others))[:_NUM_DISTRACTORS]}
    return "en", {name: whole[name] for name in sorted(kept)}, questions


def _spanish(data: Path) -> tuple[str, dict[str, str], list[Question]]:
    corpus = {row["_id"]: row["text"] for row in read_rows(data / "xquad/corpus.es.jsonl")}
    return "es", corpus, _questions(data, "es", "es_over_xquad_es")


def _across(data: Path, corpus: dict[str, str]) -> tuple[str, dict[str, str], list[Question]]:
    """Spanish questions over English paragraphs; the answers are those of the English twins."""
    spanish = _questions(data, "es", "es_question_over_squad_en")
    english = _questions(data, "en", "en_over_squad_en")
    pairs = zip(spanish, english, strict=True)
    questions = [Question(es.text, en.answers, en.gold_id, "es") for es, en in pairs]
    return "es_en", corpus, questions


def _questions(data: Path, language: str, qrels: str) -> list[Question]:
    lines = (data / f"xquad/qrels.{qrels}.tsv").read_text(encoding="utf-8").splitlines()[1:]
    gold = dict(line.split("\t")[:2] for line in lines)
    rows = read_rows(data / f"xquad/queries.{language}.jsonl")
    return [
        Question(row["text"].strip(), tuple(row["answers"]), gold[row["_id"]], language)
        for row in rows
    ]


def _article(paragraph_id: str) -> str:
    # "Nikola_Tesla#3" and "xquad-es-12-4"
    return re.sub(r"(#|-)\d+$", "", paragraph_id)


if __name__ == "__main__":
    main()
