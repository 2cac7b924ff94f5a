"""Examples of a reader to questions over a corpus, each with the passage that answers it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.embedding import EmbedderSpec
from generation.training.errors import DataError
from generation.training.reader.examples import (
    Example,
    ExampleCounts,
    Source,
    read_examples,
    split_development,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and the place in the corpus of the passage that answers it.

    also: places of other passages that hold its answer, which are not wrong.
    """

    question: str
    gold: int
    also: frozenset[int]


@dataclass(frozen=True, slots=True)
class Corpus:
    """All passages once, as the service embeds them; questions to learn from and to judge by."""

    passages: list[str]
    learnt: list[Asked]
    judged: list[Asked]
    notes: list[str]
    origins: list[tuple[str, str, int]]  # name, licence, examples


def read_corpus(path: Path, spec: EmbedderSpec, *, held_out_share: float, seed: int) -> Corpus:
    """Raises DataError where there is too little to learn from or to judge by."""
    counts = ExampleCounts()
    examples = [each for each in read_examples(path, counts) if each.answer is not None]
    sources = list(dict.fromkeys(source for each in examples for source in each.passages))
    if len(sources) < 2:
        raise DataError(
            f"--examples: {path} has {len(sources)} passage; with one there is nothing to find"
        )
    learnt, judged = split_development(examples, held_out_share=held_out_share, seed=seed)
    places = {source: place for place, source in enumerate(sources)}
    return Corpus(
        passages=[spec.passage_prefix + _as_embedded(source) for source in sources],
        learnt=_ask(learnt, sources, places, spec),
        judged=_ask(judged, sources, places, spec),
        notes=[
            *counts.lines(),
            f"{len(examples):,} questions have an answer, over {len(sources):,} passages; "
            f"{len(judged):,} are only judged by",
        ],
        origins=[(*of, number) for of, number in sorted(counts.origins.items())],
    )


def _as_embedded(source: Source) -> str:
    """As chunks are: where it stands, then what it says."""
    return "\n".join(filter(None, (source.name, source.text)))


def _ask(
    examples: Sequence[Example],
    sources: Sequence[Source],
    places: dict[Source, int],
    spec: EmbedderSpec,
) -> list[Asked]:
    texts = [source.text.casefold() for source in sources]
    asked = []
    for each in examples:
        answer = (each.answer or "").casefold()
        also = frozenset(place for place, text in enumerate(texts) if answer in text)
        asked.append(Asked(spec.query_prefix + each.question, places[each.ground], also))
    return asked
