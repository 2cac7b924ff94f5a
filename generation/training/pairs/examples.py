"""Lines of a file to pairs worth learning from: every line that is left out is counted.

A line is a JSON object: `question`, `passages` as for a reader, `chosen` and `rejected`. A reply
that is null says that the passages do not answer.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from core.statistics import Interval, wilson_interval
from generation.language import Language
from generation.reading import REFUSALS
from generation.training.errors import DataError
from generation.training.lines import LineCounts, read_lines
from generation.training.reader.examples import (
    Source,
    find_ground,
    read_facts,
    read_passages,
)

_MARKED: Final = 0.7  # of pairs: what so many have in common is what will be learnt first


@dataclass(frozen=True, slots=True)
class Pair:
    """Two replies to a question over passages, of which `chosen` is the better."""

    question: str
    passages: tuple[Source, ...]
    chosen: str
    rejected: str
    language: Language
    origin: str
    licence: str
    is_development: bool

    @property
    def ground(self) -> Source:
        """The passage that the better reply stands in; the first, where there is none."""
        return find_ground(self.passages, self.chosen)


@dataclass(slots=True)
class PairCounts(LineCounts):
    """What became of the lines of a file, and what those that are left have in common."""

    origins: Counter[tuple[str, str]] = field(default_factory=Counter)  # origin and licence
    languages: Counter[str] = field(default_factory=Counter)
    num_longer: int = 0  # whose chosen reply is the longer one
    num_shorter: int = 0

    def keep(self, pair: Pair) -> None:
        self.num_kept += 1
        self.origins[pair.origin, pair.licence] += 1
        self.languages[pair.language] += 1
        self.num_longer += len(pair.chosen) > len(pair.rejected)
        self.num_shorter += len(pair.chosen) < len(pair.rejected)

    @property
    def by_length(self) -> Interval:
        """How often length alone, the better way round, would choose rightly."""
        return wilson_interval(max(self.num_longer, self.num_shorter), self.num_kept)

    def lines(self) -> list[str]:
        """What happened, in sentences for a person and for the data card."""
        languages = ", ".join(f"{name} {n:,}" for name, n in sorted(self.languages.items()))
        told = [self.told(), f"{self.num_kept:,} pairs are left ({languages})"]
        if self.by_length.low > _MARKED:
            which = "longer" if self.num_longer > self.num_shorter else "shorter"
            told.append(
                f"the {which} reply is the chosen one in {self.by_length.value:.0%} of them: "
                "counting letters would do as well, and that may be all that is learnt; add pairs "
                "of like length"
            )
        return told


def read_pairs(path: Path, counts: PairCounts) -> list[Pair]:
    """The pairs of a file, each once, in its order. Raises DataError where none is left."""
    pairs = list(_without_repeats(read_lines(path, counts, _read), counts))
    for pair in pairs:
        counts.keep(pair)
    if not pairs:
        raise DataError(f"--examples: {path} holds no pair to learn from. {counts.told()}")
    return pairs


def _read(row: Mapping[str, Any]) -> Pair | str:
    """A pair, or why the line is none."""
    question, passages = row.get("question"), read_passages(row)
    if not isinstance(question, str) or not question.strip() or not passages:
        return "without a question or passages"
    facts = read_facts(row, question)
    chosen, rejected = (_reply(row, name, facts["language"]) for name in ("chosen", "rejected"))
    if chosen is None or rejected is None:
        return "without two replies"
    if chosen.casefold() == rejected.casefold():
        return "both replies the same"
    return Pair(
        question=" ".join(question.split()),
        passages=passages,
        chosen=chosen,
        rejected=rejected,
        **facts,
    )


def _reply(row: Mapping[str, Any], name: str, language: Language) -> str | None:
    if name not in row:
        return None
    text = row[name]
    if text is None:
        return REFUSALS[language]
    return " ".join(text.split()) or None if isinstance(text, str) else None


def _without_repeats(pairs: Iterable[Pair], counts: LineCounts) -> Iterator[Pair]:
    """Each once; of two replies that are called better than each other, neither pair."""
    kept: dict[tuple[object, ...], Pair] = {}
    num_said: Counter[tuple[object, ...]] = Counter()
    for pair in pairs:
        kept.setdefault(_key(pair, pair.chosen, pair.rejected), pair)
        num_said[_key(pair, pair.chosen, pair.rejected)] += 1
    for key, pair in kept.items():
        if _key(pair, pair.rejected, pair.chosen) in kept:
            counts.left_out["contradicts another"] += num_said[key]
        else:
            counts.left_out["said before"] += num_said[key] - 1
            yield pair
    counts.left_out = +counts.left_out  # no reasons without a line


def _key(pair: Pair, better: str, worse: str) -> tuple[object, ...]:
    return pair.question.casefold(), pair.passages, better.casefold(), worse.casefold()
