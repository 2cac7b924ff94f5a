"""Judge a reader on articles it never saw: XQuAD in two languages, near misses, noise, plain text.

    python -m benchmarks.reader --data DATA --adapter adapter.safetensors [--peer MODEL] [--quick]

The gold paragraph is given, decoding is greedy, and the prompt is the service's own. Beside the
trained model stand the untrained one, another model by `--peer` (shown three examples), and the
sentence that the service would quote. As in style `read`, a reader writes words of the paragraph
and nothing else; `free`: with nothing that holds it to them. `agreed`: no greedy decoding, but what
style `read` takes, of eight replies that are drawn from one passage. `shown`: what is shown of it.
`doubt`: refusals by how likely the reader finds one, at the threshold that refuses 15 % of what
could be answered in the other folds. Questions of one article are resampled together.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from app.judging_models import build_pointer
from app.wiring import build_embedder, build_local_generator
from benchmarks.confidence import MAX_FALSE_REFUSALS, refusal_f1, with_interval
from benchmarks.reader_answering import (
    Answering,
    Reader,
    agreeing,
    extractive,
    pointing,
    reading,
    remembering,
    shown,
    shown_of,
)
from benchmarks.reader_articles import NUM_FOLDS, SEED, split_articles
from benchmarks.reader_sets import Asked, among_others, load_near_misses, load_xquad, sample
from benchmarks.reading_scores import contains, exact_match, f1
from benchmarks.report import build_manifest, report
from core.settings import Settings, load_settings
from core.statistics import Interval, bootstrap
from generation.calibrating import Booleans
from generation.completion import TokenIds
from generation.engine.adapters import load_adapter
from generation.evidence import EvidenceRanker
from generation.extracting import NO_POINTER, Pointer
from generation.local import LocalGenerator
from generation.prompts import DEFAULT_PROMPT, PromptTemplate, load_prompt
from generation.reading import (
    is_refusal,
)
from generation.spans import find_span, without_marks

_NUM_AT_ONCE: Final = 8
_QUICK: Final = 12
_PLAIN_CHARS: Final = 1_200
_NUM_PLAIN: Final = 24

T = TypeVar("T")
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Suite:
    """What every model is asked."""

    gold: dict[str, list[Asked]]  # by language
    noisy: dict[str, list[Asked]]
    near_misses: list[Asked]
    plain: list[str]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the text sets")
    parser.add_argument("--adapter", type=Path, help="what was learnt; without it, no reader")
    parser.add_argument("--model", help="a trained model folder, in place of an adapter")
    parser.add_argument("--extractor", type=Path, help="what points at answers beside it")
    parser.add_argument("--prompt", help="its template, where the adapter does not say")
    parser.add_argument("--peer", help="another model, shown three examples")
    parser.add_argument("--limit", type=int, help="questions of each set")
    parser.add_argument("--no-untrained", action="store_true", help="leave the untrained model out")
    parser.add_argument("--quick", action="store_true", help="a few questions of each set")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    settings = load_settings()
    limit = _QUICK if options.quick else options.limit
    suite = load_suite(options.data, limit)
    figures: Figures = {f"n_{name}": len(each) for name, each in suite.gold.items()}
    figures["n_near_misses"] = len(suite.near_misses)
    ranker = EvidenceRanker(build_embedder(settings))
    pointer = open_pointer(settings, options.extractor)
    if options.adapter or options.model:
        with opened(settings, options.adapter, options.model) as generator:
            reader = Reader(generator, prompt_of(options.adapter, options.prompt))
            figures |= judge_reader(suite, reader, ranker, pointer)
    if not options.no_untrained:
        with opened(settings, None, None) as generator:
            reader = Reader(generator, load_prompt(DEFAULT_PROMPT))
            figures |= _prefixed("untrained_", judge_reader(suite, reader, ranker))
    if options.peer:
        with opened(settings, None, options.peer) as generator:
            figures |= _prefixed("peer_", judge_gold(suite.gold, shown(generator)))
    figures |= _prefixed("extractive_", judge_gold(suite.gold, extractive(ranker)))
    if "perplexity" in figures and "untrained_perplexity" in figures:
        figures["perplexity_ratio"] = figures["perplexity"] / figures["untrained_perplexity"]
    sizes = {"seed": SEED, "limit": limit or 0, "adapter": str(options.adapter or options.model)}
    report(figures, build_manifest("reader", sizes), json_path=options.json)


def load_suite(data: Path, limit: int | None) -> Suite:
    """Questions of the held-out articles."""
    articles = split_articles(data)
    gold = {"en": load_xquad(data, articles, "en"), "es": load_xquad(data, articles, "es")}
    gold = {name: sample(asked, limit) for name, asked in gold.items()}
    noisy = {name: among_others(asked, data) for name, asked in gold.items()}
    misses = sample(load_near_misses(data, articles), limit and 3 * limit)
    text = (data / "chunking_eval/corpora/wikitexts.md").read_text(encoding="utf-8")
    starts = np.linspace(0, len(text) - _PLAIN_CHARS, _NUM_PLAIN if limit is None else 4)
    return Suite(gold, noisy, misses, [text[int(at) : int(at) + _PLAIN_CHARS] for at in starts])


def prompt_of(adapter: Path | None, named: str | None) -> PromptTemplate:
    """The template that is named, else the adapter's own, else the service's."""
    learnt = None if adapter is None else load_adapter(adapter).prompt
    return load_prompt(named or learnt or DEFAULT_PROMPT)


@contextmanager
def opened(settings: Settings, adapter: Path | None, model: str | None) -> Iterator[LocalGenerator]:
    """A model, with an adapter where one is given."""
    models = settings.models.model_copy(update={"adapter": adapter})
    chosen = settings.model_copy(update={"models": models})
    with closing(build_local_generator(chosen, model)) as generator:
        yield generator


def open_pointer(settings: Settings, extractor: Path | None) -> Pointer:
    """The extractor of a file or a name; none where none is named."""
    models = settings.models.model_copy(update={"extractor": extractor})
    return build_pointer(settings.model_copy(update={"models": models}))


def judge_reader(
    suite: Suite, reader: Reader, ranker: EvidenceRanker, pointer: Pointer = NO_POINTER
) -> Figures:
    """Everything that is said of a model that reads."""
    answering = remembering(reading(reader, ranker))
    agreed = remembering(agreeing(reader, ranker, pointer))
    figures = judge_gold(suite.gold, answering)
    figures |= _prefixed("agreed_", judge_gold(suite.gold, agreed))
    figures |= _prefixed("noisy_agreed_", judge_gold(suite.noisy, agreed))
    if pointer is not NO_POINTER:
        pointed = remembering(pointing(pointer))
        figures |= _prefixed("pointed_", judge_gold(suite.gold, pointed))
        figures |= _prefixed("noisy_pointed_", judge_gold(suite.noisy, pointed))
    freely = remembering(reader.write)
    figures |= _prefixed("free_", judge_gold(suite.gold, freely))
    noisy = judge_gold(suite.noisy, answering)
    for prefix, asked in (("shown_", suite.gold), ("noisy_shown_", suite.noisy)):
        figures |= _prefixed(prefix, judge_shown(asked, shown_of(agreed, ranker)))
    figures |= _prefixed("noisy_", noisy)
    figures |= {
        f"noise_costs_{name}": figures[f"f1_{name}"] - noisy[f"f1_{name}"] for name in suite.gold
    }
    return (
        figures
        | judge_refusals(suite.near_misses, freely)
        | judge_doubt(suite.near_misses, reader)
        | {"perplexity": perplexity(suite.plain, reader.generator)}
    )


def judge_gold(gold: dict[str, list[Asked]], answering: Answering) -> Figures:
    """F1 and its kin by language, over the folds together and by fold; and how often it copies."""
    figures: Figures = {}
    copied: list[float] = []
    for name, asked in gold.items():
        texts = ask_all(asked, answering)
        scores = [f1(text, item.golds) for text, item in zip(texts, asked, strict=True)]
        figures |= with_interval(f"f1_{name}", _over_articles(scores, asked))
        for label, measure in (("em", exact_match), ("contains", contains)):
            values = [measure(text, item.golds) for text, item in zip(texts, asked, strict=True)]
            figures[f"{label}_{name}"] = float(np.mean(values))
        for fold in range(NUM_FOLDS):
            of_fold = [
                score for score, item in zip(scores, asked, strict=True) if item.fold == fold
            ]
            figures[f"f1_{name}_fold{fold}"] = float(np.mean(of_fold)) if of_fold else 0.0
        refused = [is_refusal(text) for text in texts]
        figures[f"refused_{name}"] = float(np.mean(refused))
        copied += [
            float(is_copied(text, item))
            for text, item, is_refused in zip(texts, asked, refused, strict=True)
            if not is_refused
        ]
    return figures | {"copy_rate": float(np.mean(copied)) if copied else 0.0}


def judge_shown(gold: dict[str, list[Asked]], answering: Answering) -> Figures:
    """How often what is shown holds the gold."""
    figures: Figures = {}
    for name, asked in gold.items():
        texts = ask_all(asked, answering)
        holds = [float(contains(t, item.golds)) for t, item in zip(texts, asked, strict=True)]
        figures |= with_interval(f"contains_{name}", _over_articles(holds, asked))
    return figures


def judge_doubt(asked: Sequence[Asked], reader: Reader) -> Figures:
    """F1 of refusing near misses by the likelihood of the refusal."""
    doubts = np.array(ask_all(asked, reader.doubt))
    is_answerable = np.array([bool(item.golds) for item in asked])
    folds = np.array([item.fold for item in asked])
    refused = np.zeros_like(is_answerable)
    for fold in range(NUM_FOLDS):
        others = doubts[is_answerable & (folds != fold)]
        threshold = np.quantile(others, 1 - MAX_FALSE_REFUSALS) if len(others) else 0.0
        refused |= (folds == fold) & (doubts > threshold)
    return _prefixed("doubt_", _judge_refused(asked, refused))


def is_copied(text: str, asked: Asked) -> bool:
    """Whether an answer stands in its passages to the letter, but for case and accents."""
    return any(find_span(without_marks(text), passage.text) for passage in asked.passages)


def judge_refusals(asked: Sequence[Asked], answering: Answering) -> Figures:
    """F1 of refusing near misses, by the words of the reader alone."""
    return _judge_refused(asked, np.array(list(map(is_refusal, ask_all(asked, answering)))))


def _judge_refused(asked: Sequence[Asked], refused: Booleans) -> Figures:
    should = np.array([not item.golds for item in asked])
    groups = [item.article for item in asked]
    interval = bootstrap(lambda rows: refusal_f1(refused[rows], should[rows]), groups, seed=SEED)
    return {
        **with_interval("refusal_f1", interval),
        "false_refusals": float(refused[~should].mean()),
        "refused_near_misses": float(refused[should].mean()),
    }


def perplexity(texts: Sequence[str], generator: LocalGenerator) -> float:
    """Of plain text, each piece after its own first words."""
    completer = generator.completer
    total, num_tokens = 0.0, 0
    for text in texts:
        head, tail = text[:100], text[100:]
        ids = completer.encode(TokenIds(tuple(completer.tokenizer.encode(head))))
        total += completer.score(ids, [tail])[0]
        num_tokens += len(completer.tokenizer.encode(tail))
    return math.exp(-total / num_tokens)


def ask_all(asked: Sequence[Asked], asking: Callable[[Asked], T]) -> list[T]:
    """What is said to each, in order; several are asked at once."""
    with ThreadPoolExecutor(_NUM_AT_ONCE) as pool:
        return list(pool.map(asking, asked))


def _over_articles(values: Sequence[float], asked: Sequence[Asked]) -> Interval:
    array = np.array(values)
    groups = [item.article for item in asked]
    return bootstrap(lambda rows: float(array[rows].mean()), groups, seed=SEED)


def _prefixed(prefix: str, figures: Figures) -> Figures:
    return {f"{prefix}{name}": value for name, value in figures.items()}


if __name__ == "__main__":
    main()
