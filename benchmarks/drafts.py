"""What drafts are worth: the order their passages are read in, and how the best of n is chosen.

Questions go through the service's own retrieval and ranking; the built-in model writes. A draft is
right where what is shown of it holds the gold answer to the letter. `best_of` is what the service
shows: the best draft that stands, or the quote, which is judged beside it. The other ways choose
among drafts alone, and show the quote where none stands. Of the weights of the reward those that
pick best are found by a grid, and judged on questions that they were not found on (five folds). So
little may stand that this tells nothing: `told_apart_by` is how often, of a draft of a question
that holds the gold and one that does not, whether they stand or not, the former has the better
number (0.5: chance).
"""

import argparse
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Final

import numpy as np

from app.sampling import SAMPLES_TEMPERATURE
from app.wiring import build_embedder, build_local_generator
from benchmarks.answer_sets import SEED, Question, load_text_set
from benchmarks.confidence import NUM_PASSAGES, NUM_READ, with_interval
from benchmarks.report import build_manifest, report
from benchmarks.retrieval_library import open_library
from benchmarks.vector_cache import StoredEmbedder
from core.access import Access
from core.embedding import Embedder
from core.settings import load_settings
from core.statistics import mean_interval, paired_difference
from core.types import Passage
from generation.answer import NUM_DRAFT_SPANS
from generation.best_of import check_draft, choose_draft
from generation.evidence import EvidenceRanker
from generation.generator import Generator
from generation.language import question_language
from generation.prompts import load_prompt
from generation.quoting import choose_quotes, quotation
from generation.reward import BUILT_IN_REWARD
from generation.types import Message, Sampling

_NUM_FOLDS: Final = 5
_STEPS: Final = 10
_PARTS: Final = ("support", "agreement", "likelihood")
_ORDERS: Final[dict[str, Callable[[Sequence[Passage]], list[Passage]]]] = {
    "best_first": list,
    "best_last": lambda passages: list(reversed(passages)),
    "as_in_documents": lambda passages: sorted(
        passages, key=lambda item: (item.document_name, item.start)
    ),
}

Weights = tuple[float, ...]
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Case:
    """One question: its drafts with their parts, and which of them are right."""

    quote_is_right: bool
    winner: int | None
    parts: list[dict[str, float]]
    stand: list[bool]
    are_right: list[bool]
    held_in_draft: list[bool]
    seconds: float
    orders: dict[str, bool] = field(default_factory=dict)

    def pick(self, weights: Weights) -> bool:
        """Whether what these weights pick is right."""
        standing = [at for at, stands in enumerate(self.stand) if stands]
        if not standing:
            return self.quote_is_right
        best = max(standing, key=lambda at: _weigh(self.parts[at], weights))
        return self.are_right[best]

    @property
    def best_of(self) -> bool:
        """Whether what the service shows is right."""
        return self.quote_is_right if self.winner is None else self.are_right[self.winner]

    @property
    def looked_at(self) -> list[tuple[bool, bool]]:
        """Of each draft whether it is right, and whether it stands."""
        return list(zip(self.are_right, self.stand, strict=True))

    @property
    def first(self) -> bool:
        """Whether the first draft alone, or the quote in its place, is right."""
        return self.are_right[0] if self.stand[0] else self.quote_is_right

    @property
    def chance(self) -> float:
        """How often any draft that stands is right."""
        right = [is_right for is_right, stands in self.looked_at if stands]
        return fmean(right) if right else float(self.quote_is_right)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the text sets")
    parser.add_argument("--cache", type=Path, required=True, help="folder for vectors")
    parser.add_argument("--set", default="xquad_en", help="which questions")
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--temperature", type=float, default=SAMPLES_TEMPERATURE)
    parser.add_argument("--max-tokens", type=int, default=96)
    parser.add_argument("--orders", action="store_true", help="greedy drafts in every order too")
    parser.add_argument("--quick", action="store_true", help="few questions, few samples")
    parser.add_argument("--cases", type=Path, help="write every case here as soon as it is known")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    num_questions, num_samples = (6, 3) if options.quick else (options.questions, options.samples)
    settings = load_settings()
    sampling = Sampling(
        temperature=options.temperature, max_tokens=options.max_tokens, n=num_samples
    )
    embedder = StoredEmbedder(build_embedder(settings), options.cache / "vectors.db")
    with closing(build_local_generator(settings)) as generator:
        cases = []
        for question, passages in read_questions(
            options.data, options.set, embedder, num_questions
        ):
            ranker = EvidenceRanker(embedder)
            cases.append(ask(question, passages, ranker, generator, sampling))
            if options.orders:
                cases[-1].orders.update(ask_in_orders(question, passages, generator, sampling))
            print(f"{len(cases)} of {num_questions}", end="\r", flush=True)
            if options.cases:
                options.cases.write_text(json.dumps([asdict(case) for case in cases]))
    embedder.close()
    sizes: dict[str, str | int | float] = {
        "set": options.set,
        "n": len(cases),
        "samples": num_samples,
        "temperature": options.temperature,
        "seed": SEED,
    }
    report(judge(cases), build_manifest("drafts", sizes), json_path=options.json)


def read_questions(
    data: Path, name: str, embedder: Embedder, num_questions: int
) -> Iterator[tuple[Question, list[Passage]]]:
    """Questions, and the passages that the model reads for each."""
    text_set = load_text_set(data, name, embedder.tokens, limit=num_questions, num_others=600)
    with open_library(text_set.chunks, embedder) as library:
        for question in text_set.questions:
            yield (
                question,
                library.retriever.retrieve(
                    question.text, access=Access.to_everything(), top_k=NUM_PASSAGES
                )[:NUM_READ],
            )


def ask(
    question: Question,
    passages: Sequence[Passage],
    ranker: EvidenceRanker,
    generator: Generator,
    sampling: Sampling,
) -> Case:
    """Sample drafts for one question, and look at each."""
    evidence = ranker.rank(question.text, passages)
    spans = evidence[:NUM_DRAFT_SPANS]
    began_s = time.perf_counter()
    drafts = generator.sample(_messages(question, passages), sampling, cancelled=lambda: False)
    seconds = time.perf_counter() - began_s
    candidates = [check_draft(question.text, draft, spans, "end") for draft in drafts]
    quote = quotation(choose_quotes(evidence))
    chosen = choose_draft(
        question.text, drafts, spans, quote=quote, reward=BUILT_IN_REWARD, unsupported="end"
    )
    gold = question.gold
    return Case(
        quote_is_right=gold.is_held_by(quote),
        winner=chosen.samples.winner,
        parts=[dict(each.parts) for each in chosen.samples.each],
        stand=[bool(candidate.pieces) for candidate in candidates],
        are_right=[gold.is_held_by("".join(candidate.pieces)) for candidate in candidates],
        held_in_draft=[gold.is_held_by(draft.text) for draft in drafts],
        seconds=seconds,
    )


def ask_in_orders(
    question: Question, passages: Sequence[Passage], generator: Generator, sampling: Sampling
) -> dict[str, bool]:
    """Whether the greedy draft holds the gold, by the order in which the passages are read."""
    greedy = Sampling(max_tokens=sampling.max_tokens)
    held = {}
    for name, order in _ORDERS.items():
        messages = _messages(question, order(passages))
        written = generator.stream(messages, greedy, cancelled=lambda: False)
        held[name] = question.gold.is_held_by("".join(written))
    return held


def judge(cases: Sequence[Case]) -> Figures:
    """What each way to choose is worth, with its interval."""
    alone: dict[str, Weights] = {
        part: tuple(float(part == other) for other in _PARTS) for part in _PARTS
    }
    built_in = (BUILT_IN_REWARD.support, BUILT_IN_REWARD.agreement, BUILT_IN_REWARD.likelihood)
    ways: dict[str, Sequence[float]] = {
        "quote": [float(case.quote_is_right) for case in cases],
        "best_of": [float(case.best_of) for case in cases],
        "first": [float(case.first) for case in cases],
        "chance": [case.chance for case in cases],
        **{
            f"by_{part}": [float(case.pick(weights)) for case in cases]
            for part, weights in alone.items()
        },
        "built_in": [float(case.pick(built_in)) for case in cases],
        "fitted": _fit_in_folds(cases),
        "oracle": [float(_oracle(case)) for case in cases],
        **{
            name: [float(case.orders[name]) for case in cases]
            for name in (cases[0].orders if cases else ())
        },
    }
    figures: Figures = {
        "n": len(cases),
        "any_stands": fmean(any(case.stand) for case in cases),
        "draft_is_shown": fmean(case.winner is not None for case in cases),
        "drafts_stand": fmean(stands for case in cases for stands in case.stand),
        "drafts_hold_gold": fmean(held for case in cases for held in case.held_in_draft),
        "sample_s": float(np.median([case.seconds for case in cases])),
    }
    for name, values in ways.items():
        figures |= with_interval(name, mean_interval(values, seed=SEED))
    for one, other in (("best_of", "quote"), ("built_in", "chance")):
        gain = paired_difference(ways[one], ways[other], seed=SEED)
        figures |= with_interval(f"{one}_over_{other}", gain)
    for name, weights in {**alone, "built_in": built_in}.items():
        figures[f"told_apart_by_{name}"] = _told_apart(cases, weights)
    best = _fit(cases)
    return figures | {f"fitted_{part}": weight for part, weight in zip(_PARTS, best, strict=True)}


def _told_apart(cases: Sequence[Case], weights: Weights) -> float:
    """The share of pairs, of one question, in which the draft with the gold is above the other."""
    above: list[float] = []
    for case in cases:
        rewards = [_weigh(parts, weights) for parts in case.parts]
        drafts = list(zip(rewards, case.held_in_draft, strict=True))
        above += [
            float(one > other) + 0.5 * float(one == other)
            for one, holds in drafts
            if holds
            for other, other_holds in drafts
            if not other_holds
        ]
    return fmean(above) if above else 0.5


def _fit_in_folds(cases: Sequence[Case]) -> list[float]:
    right = []
    for at, case in enumerate(cases):
        fold = at % _NUM_FOLDS
        others = [other for place, other in enumerate(cases) if place % _NUM_FOLDS != fold]
        right.append(float(case.pick(_fit(others))))
    return right


def _fit(cases: Sequence[Case]) -> Weights:
    """The weights of the grid that pick best; of equals those in the middle."""
    grid = [
        (one / _STEPS, two / _STEPS, (_STEPS - one - two) / _STEPS)
        for one, two in itertools.product(range(_STEPS + 1), repeat=2)
        if one + two <= _STEPS
    ]
    worth = [sum(case.pick(weights) for case in cases) for weights in grid]
    best = [weights for weights, value in zip(grid, worth, strict=True) if value == max(worth)]
    return tuple(fmean(column) for column in zip(*best, strict=True))


def _oracle(case: Case) -> bool:
    standing = [is_right for is_right, stands in case.looked_at if stands]
    return any(standing) if standing else case.quote_is_right


def _weigh(parts: dict[str, float], weights: Weights) -> float:
    return sum(parts[name] * weight for name, weight in zip(_PARTS, weights, strict=True))


def _messages(question: Question, passages: Sequence[Passage]) -> list[Message]:
    language = question_language(question.text)
    return load_prompt("direct").render(question.text, passages, language)


if __name__ == "__main__":
    main()
