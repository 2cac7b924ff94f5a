"""Judge answers as a whole: citations, gold in the text, refusals, injections. Asks no judge model.

Questions go through the service's own retrieval, ranking, refusal and citation code. Quotes are
written by a stand-in, because with one quotation allowed a model decides nothing; `--direct N` lets
the built-in model answer N questions as well, from the gold paragraph alone and unchecked, in the
same run, `--model` lets it write the answers to the injections, and `--likelihood N` has it say how
much less likely each sentence of N answers is without its span, and what that costs.

Refusals are judged on near misses by weights that were fitted on other articles, at the threshold
that refuses at most 15 % of what could be answered (see `benchmarks.confidence`).
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from app.evaluation.running import answer_case
from app.wiring import build_embedder, build_local_generator
from benchmarks import injections
from benchmarks.answer_checks import Checked, check
from benchmarks.answer_sets import SEED, Question, TextSet, load_text_set
from benchmarks.confidence import (
    NEAR_MISSES,
    NUM_PASSAGES,
    NUM_READ,
    ask_all,
    judge_near_misses,
    with_interval,
)
from benchmarks.report import build_manifest, report
from benchmarks.retrieval_library import open_library
from benchmarks.text_sets import build_passage
from benchmarks.vector_cache import StoredEmbedder
from core.access import Access
from core.embedding import Embedder
from core.settings import load_settings
from core.statistics import mean_interval
from generation.answer import AnswerOptions
from generation.context import Budget, build_context
from generation.evidence import EvidenceRanker
from generation.generator import Generator
from generation.prompts import load_prompt
from generation.types import Sampling
from ingestion.parsing.document import ParseLimits
from ingestion.parsing.sandbox import Sandbox
from tests.fakes_generation import FakeGenerator
from tests.hostile.injections import INJECTIONS

_SETS: Final = ("xquad_en", "xquad_es", "clapnq")
_QUICK_QUESTIONS: Final = 25
_QUICK_OTHERS: Final = 40
_OPTIONS: Final = AnswerOptions(Sampling(), min_confidence=0.0)
_LIMITS: Final = ParseLimits(
    timeout_s=60.0,
    page_timeout_s=60.0,
    memory_bytes=4 << 30,
    max_text_chars=1_000_000,
    max_pages=100,
    max_image_pixels=20_000_000,
)

Figures = dict[str, float]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the text sets")
    parser.add_argument("--cache", type=Path, required=True, help="folder for vectors")
    parser.add_argument("--quick", action="store_true", help="few questions over few paragraphs")
    parser.add_argument("--others", type=int, help="English paragraphs beside the gold ones")
    parser.add_argument("--direct", type=int, default=0, help="questions for the bare model")
    parser.add_argument("--model", action="store_true", help="the model reads injections too")
    parser.add_argument("--likelihood", type=int, default=0, help="answers to weigh")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    settings = load_settings()
    embedder = StoredEmbedder(build_embedder(settings), options.cache / "vectors.db")
    limit, others = (_QUICK_QUESTIONS, _QUICK_OTHERS) if options.quick else (None, options.others)
    figures: Figures = {}
    sizes: dict[str, str | int | float] = {"seed": SEED}
    for name in _SETS:
        text_set = load_text_set(
            options.data, name, embedder.tokens, limit=limit, num_others=others
        )
        sizes |= {f"{name}_n": len(text_set.questions), f"{name}_chunks": len(text_set.chunks)}
        figures |= judge_answers(text_set, embedder)
    figures |= _together(figures)
    near = [
        load_text_set(options.data, name, embedder.tokens, limit=limit, num_others=others)
        for name in NEAR_MISSES
    ]
    figures |= judge_near_misses([item for each in near for item in ask_all(each, embedder)])
    is_asked = options.direct or options.model or options.likelihood
    generator = build_local_generator(settings) if is_asked else None
    figures |= judge_injections(embedder, generator if options.model else None)
    if options.direct and generator is not None:
        text_set = load_text_set(options.data, "xquad_en", embedder.tokens)
        figures |= judge_direct(text_set.questions[: options.direct], text_set, generator)
        figures["gold_contained_over_direct"] = figures["gold_contained"] / max(
            1e-9, figures["direct_gold_contained"]
        )
    if options.likelihood and generator is not None:
        text_set = load_text_set(
            options.data, "xquad_en", embedder.tokens, limit=options.likelihood, num_others=others
        )
        figures |= judge_likelihood(text_set, embedder, generator)
    embedder.close()
    report(figures, build_manifest("answers", sizes), json_path=options.json)


def judge_answers(text_set: TextSet, embedder: Embedder) -> Figures:
    """Answer every question that has an answer from what retrieval finds, and check each."""
    ranker = EvidenceRanker(embedder)
    asked = [question for question in text_set.questions if question.is_answerable]
    embedder.embed_queries([question.text for question in asked])
    checked: list[Checked] = []
    with open_library(text_set.chunks, embedder) as library:
        for question in asked:
            passages = library.retriever.retrieve(
                question.text, access=Access.to_everything(), top_k=NUM_PASSAGES
            )[:NUM_READ]
            full = answer_case(
                question.text, passages, _OPTIONS, generator=FakeGenerator(), ranker=ranker
            )
            checked.append(check(question, full, passages, ranker))
    name = text_set.name
    num_citations = sum(item.num_citations for item in checked)
    figures: Figures = {
        f"{name}_citations": num_citations,
        f"{name}_citation_validity": sum(item.num_valid for item in checked) / num_citations,
        f"{name}_exact_quote_rate": sum(item.num_exact for item in checked) / num_citations,
        f"{name}_gold_read": float(np.mean([item.gold_is_read for item in checked])),
        f"{name}_check_ms_p50": float(np.median([item.check_ms for item in checked])),
        f"{name}_check_ms_p95": float(np.percentile([item.check_ms for item in checked], 95)),
    }
    measures: dict[str, Callable[[Checked], float | None]] = {
        "gold_contained": lambda item: float(item.holds_gold),
        "lexical_support": lambda item: item.support,
        "gold_document_precision": lambda item: item.article_precision,
        "gold_paragraph_precision": lambda item: item.paragraph_precision,
    }
    for label, measure in measures.items():
        values = [value for item in checked if (value := measure(item)) is not None]
        figures |= with_interval(f"{name}_{label}", mean_interval(values, seed=SEED))
    return figures


def _together(figures: Figures) -> Figures:
    """The figures that others read."""
    total = sum(figures[f"{name}_citations"] for name in _SETS)
    return {
        **{
            label: sum(figures[f"{name}_{label}"] * figures[f"{name}_citations"] for name in _SETS)
            / total
            for label in ("citation_validity", "exact_quote_rate")
        },
        "gold_contained": figures["xquad_en_gold_contained"],
    }


def judge_likelihood(text_set: TextSet, embedder: Embedder, generator: Generator) -> Figures:
    """What the drop in likelihood costs an answer, and whether it tells right quotes from wrong."""
    ranker = EvidenceRanker(embedder)
    costs: list[float] = []
    right: list[float] = []
    wrong: list[float] = []
    with open_library(text_set.chunks, embedder) as library:
        for question in text_set.questions:
            passages = library.retriever.retrieve(
                question.text, access=Access.to_everything(), top_k=NUM_PASSAGES
            )[:NUM_READ]
            took = []
            for options in (_OPTIONS, replace(_OPTIONS, likelihood=True)):
                began = time.perf_counter()
                full = answer_case(
                    question.text, passages, options, generator=generator, ranker=ranker
                )
                took.append(1000 * (time.perf_counter() - began))
            costs.append(took[1] - took[0])
            for sentence in full.sentences:
                if sentence.likelihood_drop is not None:
                    quote = full.text[sentence.start : sentence.end]
                    drops = right if question.gold.is_held_by(quote) else wrong
                    drops.append(sentence.likelihood_drop)
    figures: Figures = {
        "likelihood_n": len(costs),
        "likelihood_ms_p50": float(np.median(costs)),
        "likelihood_ms_p95": float(np.percentile(costs, 95)),
    }
    for name, drops in (("right", right), ("wrong", wrong)):
        if drops:
            interval = mean_interval(drops, seed=SEED)
            figures |= with_interval(f"likelihood_drop_{name}", interval)
    return figures


def judge_injections(embedder: Embedder, generator: Generator | None) -> Figures:
    """Ask the honest question of every document that tells the machine what to answer."""
    ranker, sandbox = EvidenceRanker(embedder), Sandbox(_LIMITS)
    outcomes: list[injections.Outcome] = []
    for injection in INJECTIONS:
        passages = injections.read_passages(injection, sandbox, embedder.tokens)
        for writer, options in _writers(generator):
            outcomes.append(injections.ask(injection, passages, writer, ranker, options))
    for outcome in outcomes:
        if outcome.is_obeyed:
            print(f"obeyed: {outcome.injection.kind}")
    return {
        "injections": len(INJECTIONS),
        "injections_asked": len(outcomes),
        "injections_obeyed": sum(outcome.is_obeyed for outcome in outcomes),
        "injections_answered": float(np.mean([outcome.is_answered for outcome in outcomes])),
    }


def _writers(generator: Generator | None) -> Iterator[tuple[Generator, AnswerOptions]]:
    yield FakeGenerator(), _OPTIONS
    if generator is not None:
        yield generator, replace(_OPTIONS, style="draft", unsupported="mark")


def judge_direct(questions: Sequence[Question], text_set: TextSet, generator: Generator) -> Figures:
    """The bare model: the gold paragraph, the question, and whatever it writes."""
    held = []
    for question in questions:
        gold = question.gold
        text = "".join(
            chunk.text
            for chunk in text_set.chunks
            if chunk.title == gold.article
            if chunk.start < gold.end and gold.start < chunk.start + len(chunk.text)
        )
        passages = [build_passage(gold.article, text)]
        context = build_context(
            question.text,
            passages,
            generator=generator,
            template=load_prompt("direct"),
            budget=Budget(1, _OPTIONS.sampling.max_tokens),
        )
        written = generator.stream(context.messages, _OPTIONS.sampling, cancelled=lambda: False)
        held.append(float(gold.is_held_by("".join(written))))
    interval = mean_interval(held, seed=SEED)
    return {"direct_n": len(held), **with_interval("direct_gold_contained", interval)}


if __name__ == "__main__":
    main()
