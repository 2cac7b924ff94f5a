"""What each built-in prompt is worth: greedy answers to the same questions, checked as ever.

Questions go through the service's own retrieval and ranking; the built-in model writes. A *draft*
is what it wrote as its answer, reasoning taken off and nothing checked. An *answer* is what is
shown of it after the checks, or the quote where nothing of it stands. Both are right where they
hold the gold answer to the letter. Templates show their own examples: there are no approved ones.
"""

import argparse
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from app.wiring import build_embedder, build_local_generator
from benchmarks.answer_sets import SEED, Question
from benchmarks.confidence import with_interval
from benchmarks.drafts import Figures, read_questions
from benchmarks.report import build_manifest, report
from benchmarks.vector_cache import StoredEmbedder
from core.settings import load_settings
from core.statistics import mean_interval, paired_difference
from core.types import Passage
from generation.answer import NUM_DRAFT_SPANS
from generation.best_of import check_draft
from generation.context import Budget, build_context
from generation.evidence import Evidence, EvidenceRanker
from generation.generator import Generator
from generation.language import question_language
from generation.prompts import PromptTemplate, builtin_prompts, load_prompt
from generation.quoting import choose_quotes, quotation
from generation.reasoning import split_reasoning
from generation.types import Draft, Pieces, Sampling


@dataclass(frozen=True, slots=True)
class Written:
    """One question answered with one prompt."""

    draft_is_right: bool
    stands: bool
    answer_is_right: bool
    is_cut: bool
    num_tokens: int
    seconds: float


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the text sets")
    parser.add_argument("--cache", type=Path, required=True, help="folder for vectors")
    parser.add_argument("--set", default="xquad_en", help="which questions")
    parser.add_argument("--questions", type=int, default=50)
    parser.add_argument("--quick", action="store_true", help="few questions")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    number = 5 if options.quick else options.questions
    settings = load_settings()
    embedder = StoredEmbedder(build_embedder(settings), options.cache / "vectors.db")
    ranker = EvidenceRanker(embedder)
    quotes: list[float] = []
    by_prompt: dict[str, list[Written]] = {name: [] for name in builtin_prompts()}
    with closing(build_local_generator(settings)) as generator:
        for question, passages in read_questions(options.data, options.set, embedder, number):
            evidence = ranker.rank(question.text, passages)
            quote = quotation(choose_quotes(evidence))
            quotes.append(float(question.gold.is_held_by(quote)))
            for name, written in by_prompt.items():
                written.append(ask(question, passages, load_prompt(name), evidence, generator))
            print(f"{len(quotes)} of {number}", end="\r", flush=True)
    embedder.close()
    settings_of_run: dict[str, str | int | float] = {"set": options.set, "n": number, "seed": SEED}
    figures = judge(quotes, by_prompt)
    report(figures, build_manifest("prompts", settings_of_run), json_path=options.json)


def ask(
    question: Question,
    passages: Sequence[Passage],
    template: PromptTemplate,
    evidence: Sequence[Evidence],
    generator: Generator,
) -> Written:
    """Answer one question with one prompt, as the service does, but for what the gold decides."""
    language = question_language(question.text)
    mark = template.texts_for(language).answer_mark
    max_tokens = Sampling().max_tokens + (template.max_reasoning_tokens if mark else 0)
    context = build_context(
        question.text,
        passages,
        generator=generator,
        template=template,
        budget=Budget(len(passages), max_tokens),
        examples=template.own_examples(language),
    )
    began_s = time.perf_counter()
    written = generator.stream(
        context.messages, Sampling(max_tokens=max_tokens), cancelled=lambda: False
    )
    draft = _read(written)
    seconds = time.perf_counter() - began_s
    # without a mark all of it is reasoning: there is no answer to look at
    has_answer = not mark or mark in draft.text
    answer = split_reasoning(draft.text, mark)[1] if has_answer else ""
    candidate = check_draft(
        question.text,
        Draft(answer, draft.num_tokens, None, draft.is_cut),
        evidence[:NUM_DRAFT_SPANS],
        "end",
    )
    shown = candidate.shown or quotation(choose_quotes(evidence))
    return Written(
        draft_is_right=question.gold.is_held_by(answer),
        stands=bool(candidate.pieces),
        answer_is_right=question.gold.is_held_by(shown),
        is_cut=draft.is_cut,
        num_tokens=draft.num_tokens,
        seconds=seconds,
    )


def _read(pieces: Pieces) -> Draft:
    texts = []
    while True:
        try:
            texts.append(next(pieces))
        except StopIteration as end:
            return Draft("".join(texts), len(texts), None, is_cut=end.value == "length")


def judge(quotes: Sequence[float], by_prompt: dict[str, list[Written]]) -> Figures:
    """The figures of each prompt, and the difference to the quote on the same questions."""
    figures: Figures = {"n": len(quotes)}
    figures |= with_interval("quote", mean_interval(quotes, seed=SEED))
    for name, written in by_prompt.items():
        drafts = [float(each.draft_is_right) for each in written]
        answers = [float(each.answer_is_right) for each in written]
        figures |= with_interval(f"{name}_draft", mean_interval(drafts, seed=SEED))
        figures |= with_interval(f"{name}_answer", mean_interval(answers, seed=SEED))
        gain = paired_difference(answers, quotes, seed=SEED)
        figures |= with_interval(f"{name}_answer_over_quote", gain)
        standing = [each for each in written if each.stands]
        figures |= {
            f"{name}_stands": len(standing) / len(written),
            f"{name}_right_where_it_stands": fmean(each.answer_is_right for each in standing)
            if standing
            else 0.0,
            f"{name}_cut": fmean(each.is_cut for each in written),
            f"{name}_tokens": fmean(each.num_tokens for each in written),
            f"{name}_s": float(np.median([each.seconds for each in written])),
        }
    return figures


if __name__ == "__main__":
    main()
