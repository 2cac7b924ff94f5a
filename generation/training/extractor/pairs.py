"""Examples of a reader to pairs of a question and one passage, as the extractor reads them."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from generation.pointing import PairTokenizer, TokenizedPair
from generation.spans import find_places
from generation.training.errors import DataError
from generation.training.extractor.options import ExtractorOptions
from generation.training.reader.examples import (
    Example,
    ExampleCounts,
    read_examples,
    split_development,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of one passage, and the words of it that answer; None: it does not."""

    question: str
    passage: str
    answer: str | None


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and its passage as T token ids, and where the answer begins and ends.

    starts, ends: places of tokens, of every time that the passage says it; both the first token
    where the passage does not answer.
    """

    asked: Asked
    tokens: TokenizedPair
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.tokens.ids)


@dataclass(frozen=True, slots=True)
class Pairs:
    """What is learnt from and what is only judged by."""

    learnt: list[Pair]
    judged: list[Pair]
    notes: list[str]
    origins: list[tuple[str, str, int]]  # name, licence, examples


def read_pairs(options: ExtractorOptions, tokenizer: PairTokenizer) -> Pairs:
    """Read, sort out, split and encode. Raises DataError."""
    counts = ExampleCounts()
    examples = read_examples(options.examples, counts)
    learnt, judged = split_development(examples, held_out_share=options.held_out, seed=options.seed)
    lost = Counter[str]()
    to_learn = list(_encode(_ask(learnt, options), tokenizer, lost))
    to_judge = list(_encode(_ask(judged, options), tokenizer, lost))
    for side in (to_learn, to_judge):
        if not any(pair.asked.answer is not None for pair in side):
            raise DataError(
                "--examples: no question with an answer is left to learn from or to judge by; add "
                "examples, or raise --window"
            )
    notes = [
        *counts.lines(),
        f"{lost['repeated']:,} pairs of a question and a passage were there before; of "
        f"{lost['cut']:,} the answer stands beyond {options.window} tokens",
        f"{len(to_learn):,} pairs are learnt from; {len(to_judge):,} are only judged by",
    ]
    origins = [(*of, number) for of, number in sorted(counts.origins.items())]
    return Pairs(to_learn, to_judge, notes, origins)


def _ask(examples: Sequence[Example], options: ExtractorOptions) -> Iterator[Asked]:
    """Each question of the passage that answers, and of some that do not."""
    rng = random.Random(options.seed)  # noqa: S311  # a choice, no secret
    for example in examples:
        ground = example.ground
        yield Asked(example.question, ground.text, example.answer)
        others = [each.text for each in example.passages if each is not ground]
        if example.answer is not None:
            others = [text for text in others if not find_places(example.answer, text)]
        if others and rng.random() < options.others:
            yield Asked(example.question, rng.choice(others), None)


def _encode(asked: Iterator[Asked], tokenizer: PairTokenizer, lost: Counter[str]) -> Iterator[Pair]:
    seen: set[tuple[str, str]] = set()
    for each in asked:
        if (each.question, each.passage) in seen:
            lost["repeated"] += 1
            continue
        seen.add((each.question, each.passage))
        (tokens,) = tokenizer.encode(each.question, [each.passage])
        if each.answer is None:
            nowhere = np.zeros(1, np.int64)
            yield Pair(each, tokens, nowhere, nowhere)
            continue
        places = [tokens.find(*place) for place in find_places(each.answer, each.passage)]
        found = [place for place in places if place is not None]
        if not found:
            lost["cut"] += 1
            continue
        starts, ends = np.array(found, np.int64).T
        yield Pair(each, tokens, starts, ends)
