"""Judge a reader inside the service: the same passages with and without it, and its refusals.

    python -m benchmarks.reader_service --data DATA --cache FOLDER --adapter adapter.safetensors

Questions of articles that no reader learnt from go through the service's own retrieval over their
set's library, ranking and confidence. `quote`: the answer without a reader; `read`: with it;
`untrained` (with `--untrained`): in the same style, with the model before it learnt to read. Every
question of XQuAD is asked a second time of what retrieval finds without its article.

Refusals are judged on the near misses of Spanish SQuAD 2.0 at the threshold that refuses 15 % of
what could be answered. `plain`: by the confidence that needs no reader; `doubt`: by how likely the
reader finds a refusal; `product`: by the confidence times the reader's chance to answer;
`together`: by weights of the confidence, the doubt and the likelihood of the reply, which were
fitted on other articles (five folds). Intervals are bootstrapped over articles.

`words`: what a reader replies shares, by itself, half of its words with the gold. `shown`: where
the chance of that, by weights fitted on other articles, is at least so high in hundredths.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from app.wiring import build_embedder
from benchmarks.answer_sets import SEED, Question, load_text_set
from benchmarks.confidence import (
    MAX_FALSE_REFUSALS,
    NUM_PASSAGES,
    NUM_READ,
    find_passages,
    refusal_f1,
    with_interval,
)
from benchmarks.reader import open_pointer, opened, prompt_of
from benchmarks.reader_answering import Reader
from benchmarks.reader_articles import split_articles
from benchmarks.reading_scores import f1
from benchmarks.report import build_manifest, report
from benchmarks.vector_cache import StoredEmbedder
from core.settings import load_settings
from core.statistics import bootstrap, mean_interval
from core.types import Passage
from generation.agreeing import choose_reply
from generation.calibrating import Floats, cross_validate_reading, fit_reading, risk_coverage
from generation.confidence import BUILT_IN, Reading
from generation.context import Budget, build_context
from generation.evidence import Evidence, EvidenceRanker
from generation.extracting import NO_POINTER, Pointer
from generation.language import question_language
from generation.quoting import choose_quotes, quotation
from generation.reading import MAX_REPLY_TOKENS, REFUSALS, find_reply
from generation.replying import ReadersQuestion, Replies, find_replies
from generation.types import Message, Sampling

_SETS: Final = ("squad_es", "xquad_en", "xquad_es")
_NEAR: Final = "squad_es"
_QUICK: Final = 12
_HALF: Final = 0.5
_LEAST_CHANCES: Final = (0.4, 0.5, 0.6, 0.7, 0.8)

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question over a library: what the service and the reader see, and what is true."""

    set_name: str
    article: str
    article_is_gone: bool
    is_answerable: bool
    gold_is_read: bool
    quote_is_right: bool
    read_is_right: bool
    untrained_is_right: bool | None
    words_are_right: bool
    reading: Reading

    @property
    def is_near(self) -> bool:
        return self.set_name == _NEAR and not self.article_is_gone


@dataclass(frozen=True, slots=True)
class Models:
    """What is compared, over the same passages."""

    ranker: EvidenceRanker
    pointer: Pointer
    reader: Reader
    untrained: Reader | None


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the text sets")
    parser.add_argument("--cache", type=Path, required=True, help="folder for vectors")
    parser.add_argument("--adapter", type=Path, required=True, help="what a reader learnt")
    parser.add_argument("--extractor", type=Path, help="what points at answers beside it")
    parser.add_argument("--untrained", action="store_true", help="ask the model before it, too")
    parser.add_argument("--limit", type=int, help="questions of each set")
    parser.add_argument("--quick", action="store_true", help="a few questions of each set")
    parser.add_argument("--cases", type=Path, help="write what was seen of each question here")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    settings = load_settings()
    limit = _QUICK if options.quick else options.limit
    embedder = StoredEmbedder(build_embedder(settings), options.cache / "vectors.db")
    pointer = open_pointer(settings, options.extractor)
    asked: list[Asked] = []
    with ExitStack() as stack:
        generator = stack.enter_context(opened(settings, options.adapter, None))
        reader = Reader(generator, prompt_of(options.adapter, None))
        untrained = None
        if options.untrained:
            generator = stack.enter_context(opened(settings, None, None))
            untrained = Reader(generator, prompt_of(None, None))
        models = Models(EvidenceRanker(embedder), pointer, reader, untrained)
        for name in _SETS:
            asked += ask_all(options.data, name, embedder, models, limit=limit)
    embedder.close()
    if options.cases:
        lines = (json.dumps(asdict(item)) for item in asked)
        options.cases.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sizes = {"seed": SEED, "limit": limit or 0, "adapter": str(options.adapter)}
    report(judge(asked), build_manifest("reader_service", sizes), json_path=options.json)


def ask_all(
    data: Path, name: str, embedder: StoredEmbedder, models: Models, *, limit: int | None
) -> list[Asked]:
    """Ask the questions of the articles that are reported on, drawn at random where limited."""
    articles = split_articles(data)
    text_set = load_text_set(data, name, embedder.tokens)
    reported = [item for item in text_set.questions if articles.is_reported(item.gold.article)]
    order = np.random.default_rng(SEED).permutation(len(reported))[:limit]
    questions = [reported[index] for index in sorted(order)]
    asked: list[Asked] = []
    for question, found, is_gone in find_passages(text_set, questions, embedder):
        # near misses are what is not answered there
        if not (is_gone and name == _NEAR):
            asked += _ask(name, question, found, models, is_gone=is_gone)
    print(f"{name}: {len(questions)} questions over {len(text_set.chunks)} chunks", flush=True)
    return asked


def _ask(
    name: str, question: Question, found: Sequence[Passage], models: Models, *, is_gone: bool
) -> Iterator[Asked]:
    passages = found[:NUM_PASSAGES]
    evidence = models.ranker.rank(question.text, passages[:NUM_READ])
    if not evidence:
        return
    messages, replies = _read(models.reader, question.text, passages, evidence, models.pointer)
    reply = choose_reply(question.text, replies.chances, evidence)
    refusal = REFUSALS[question_language(question.text)]
    texts = [refusal, replies.likeliest]
    doubt, likelihood = models.reader.generator.score(messages, texts)
    confidence = BUILT_IN.confidence(question.text, passages, evidence)
    can_be_right = question.is_answerable and not is_gone
    gold = question.gold
    quote = quotation(choose_quotes(evidence))

    def is_right(reply: str) -> bool:
        read = find_reply(reply, evidence)
        return can_be_right and gold.is_held_by(quote if read is None else read.text)

    without: bool | None = None
    if models.untrained is not None and can_be_right:
        _, others = _read(models.untrained, question.text, passages, evidence, NO_POINTER)
        without = is_right(choose_reply(question.text, others.chances, evidence))
    yield Asked(
        name,
        gold.article.casefold(),
        article_is_gone=is_gone,
        is_answerable=can_be_right,
        gold_is_read=can_be_right and gold.is_in(passages[:NUM_READ]),
        quote_is_right=can_be_right and gold.is_held_by(quote),
        read_is_right=is_right(reply),
        untrained_is_right=without,
        words_are_right=can_be_right and f1(reply, gold.answers) >= _HALF,
        reading=Reading(confidence, doubt, likelihood, replies.no_answer),
    )


def _read(
    reader: Reader,
    question: str,
    passages: Sequence[Passage],
    evidence: Sequence[Evidence],
    pointer: Pointer,
) -> tuple[list[Message], Replies]:
    """What a model is asked of all passages, and its replies in words of the one that it chose."""

    def ask(of: Sequence[Passage]) -> list[Message]:
        return build_context(
            question,
            of,
            generator=reader.generator,
            template=reader.template,
            budget=Budget(NUM_READ, MAX_REPLY_TOKENS),
        ).messages

    of_one = ReadersQuestion(
        question, lambda passage: ask([passage]), REFUSALS[question_language(question)], pointer
    )
    replies = find_replies(
        reader.generator,
        of_one,
        evidence,
        Sampling(),
        cancelled=lambda: False,
    )
    return ask(passages), replies


def judge(asked: Sequence[Asked]) -> Figures:
    """What is right with and without the reader, and how well each way refuses."""
    figures: Figures = {}
    for name in _SETS:
        rows = [item for item in asked if item.set_name == name and item.is_answerable]
        figures[f"{name}_n"] = len(rows)
        held = {
            "quote": [float(item.quote_is_right) for item in rows],
            "read": [float(item.read_is_right) for item in rows],
            "gain": [float(item.read_is_right) - item.quote_is_right for item in rows],
        }
        seen = [(item.read_is_right, item.untrained_is_right) for item in rows]
        if pairs := [(read, before) for read, before in seen if before is not None]:
            held["untrained"] = [float(before) for _, before in pairs]
            held["gain_over_untrained"] = [float(read) - before for read, before in pairs]
        for label, values in held.items():
            figures |= with_interval(f"{name}_{label}", mean_interval(values, seed=SEED))
    readings = [item.reading for item in asked]
    right = np.array([item.read_is_right for item in asked])
    groups = [item.article for item in asked]
    weights = fit_reading(readings, right)
    figures |= {f"weight_{name}": value for name, value in asdict(weights).items()}
    confidence = np.array([reading.confidence for reading in readings])
    answers = np.array([reading.chance_to_answer for reading in readings])
    ways = {
        "plain": confidence,
        "doubt": answers,
        "product": confidence * answers,
        "together": cross_validate_reading(readings, right, groups, seed=SEED),
    }
    figures |= _judge_words(asked)
    near = np.array([item.is_near for item in asked])
    for label, chances in ways.items():
        figures |= _judge_refusals(label, [i for i in asked if i.is_near], chances[near])
    return figures


def _judge_words(asked: Sequence[Asked]) -> Figures:
    """How often a reply would be shown, and is right then, by the chance that is asked for."""
    readings = [item.reading for item in asked]
    right = np.array([item.words_are_right for item in asked])
    groups = [item.article for item in asked]
    weights = fit_reading(readings, right)
    figures: Figures = {f"words_{name}": value for name, value in asdict(weights).items()}
    chances = cross_validate_reading(readings, right, groups, seed=SEED)
    names = np.array([item.set_name for item in asked])
    can_be_right = np.array([item.is_answerable for item in asked])
    for name in _SETS:
        of_set = (names == name) & can_be_right
        figures[f"{name}_words_right"] = float(right[of_set].mean())
        for least in _LEAST_CHANCES:
            shown = (names == name) & (chances >= least)
            label = f"{name}_words_{round(100 * least)}"
            figures[f"{label}_shown"] = float((shown & of_set).sum() / of_set.sum())
            if shown.any():
                figures[f"{label}_right"] = float(right[shown].mean())
    return figures


def _judge_refusals(label: str, asked: Sequence[Asked], chances: Floats) -> Figures:
    is_read = np.array([item.gold_is_read for item in asked])
    refused = chances < np.quantile(chances[is_read], MAX_FALSE_REFUSALS)
    should = np.array([not item.is_answerable for item in asked])
    right = np.array([item.read_is_right for item in asked])
    interval = bootstrap(
        lambda rows: refusal_f1(refused[rows], should[rows]),
        [item.article for item in asked],
        seed=SEED,
    )
    return {
        **with_interval(f"{label}_refusal_f1", interval),
        f"{label}_false_refusals": float(refused[is_read].mean()),
        f"{label}_right_when_answered": float(right[~refused].mean()),
        f"{label}_risk_area": risk_coverage(chances, right).area,
    }


if __name__ == "__main__":
    main()
