"""Lines of a file to labelled texts worth learning from: every line that is left out is counted.

A line is a JSON object: `text` and `label`, and for a document its `name`, which is read with it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from generation.training.deduplication import Deduplicator
from generation.training.errors import DataError
from generation.training.lines import LineCounts, read_lines
from generation.training.reader.examples import read_facts

MAX_LABELS: Final = 1000
MAX_LABEL_CHARS: Final = 64
_FEW: Final = 10  # examples of a label: with fewer its F1 says next to nothing
_UNEVEN: Final = 20  # times as many of the commonest label as of the rarest


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text that somebody labelled."""

    text: str
    label: str
    name: str
    origin: str
    licence: str
    is_development: bool


@dataclass(slots=True)
class LabelCounts(LineCounts):
    """What became of the lines of a file, and how many have which label."""

    labels: Counter[str] = field(default_factory=Counter)
    origins: Counter[tuple[str, str]] = field(default_factory=Counter)  # origin and licence
    seen_once: list[str] = field(default_factory=list)

    def keep(self, example: Labelled) -> None:
        self.num_kept += 1
        self.labels[example.label] += 1
        self.origins[example.origin, example.licence] += 1

    def lines(self) -> list[str]:
        """What happened, in sentences for a person and for the data card."""
        shares = ", ".join(f"{label} {n:,}" for label, n in self.labels.most_common())
        told = [self.told(), f"{self.num_kept:,} texts are left: {shares}"]
        if self.seen_once:
            told.append(
                "labels of one text alone were left out, since nothing would judge them: "
                + ", ".join(sorted(self.seen_once))
            )
        rare = [label for label, n in sorted(self.labels.items()) if n < _FEW]
        if rare:
            told.append(f"of fewer than {_FEW} texts, and so hardly judged: {', '.join(rare)}")
        if max(self.labels.values()) >= _UNEVEN * min(self.labels.values()):
            told.append(
                f"the commonest label has {max(self.labels.values()):,} texts, the rarest "
                f"{min(self.labels.values()):,}; each label counts alike in what is learnt"
            )
        return told


def read_labelled(path: Path, counts: LabelCounts) -> list[Labelled]:
    """The labelled texts of a file, each once, in its order.

    Raises DataError where fewer than two labels are left: nothing could be told apart.
    """
    sound = _without_repeats(read_lines(path, counts, _read), counts)
    examples = list(_without_single(sound, counts))
    for example in examples:
        counts.keep(example)
    if len(counts.labels) < 2:
        only = f"only the label {examples[0].label!r} is" if examples else "nothing is"
        once = f" (seen once: {', '.join(sorted(counts.seen_once))})" if counts.seen_once else ""
        raise DataError(
            f"--examples: {only} left of {path}, and a classifier tells two labels apart at least; "
            f"{counts.told()}{once}"
        )
    if len(counts.labels) > MAX_LABELS:
        raise DataError(
            f"--examples: {path} has {len(counts.labels):,} labels, and at most {MAX_LABELS:,} can "
            "be told apart; are they names, and not kinds?"
        )
    return examples


def _read(row: Mapping[str, Any]) -> Labelled | str:
    """A labelled text, or why the line is none."""
    text, label, name = row.get("text"), row.get("label"), row.get("name") or ""
    if not isinstance(text, str) or not text.strip():
        return "without a text"
    if not isinstance(label, str) or not label.strip() or not isinstance(name, str):
        return "without a label"
    label = " ".join(label.split())
    if len(label) > MAX_LABEL_CHARS or not label.isprintable():
        return f"label longer than {MAX_LABEL_CHARS} characters, or unprintable"
    facts = read_facts(row, text)
    return Labelled(
        text=text.strip(),
        label=label,
        name=" ".join(name.split()),
        origin=facts["origin"],
        licence=facts["licence"],
        is_development=facts["is_development"],
    )


def _without_repeats(examples: Iterable[Labelled], counts: LineCounts) -> Iterator[Labelled]:
    """Each once; of texts with several labels none. Of near copies the first: one of them would be
    learnt from and the other judged by.
    """
    by_text: defaultdict[str, list[Labelled]] = defaultdict(list)
    for example in examples:
        by_text[" ".join(example.text.casefold().split())].append(example)
    known = Deduplicator()
    for alike in by_text.values():
        if len({example.label for example in alike}) > 1:
            counts.left_out["contradicts another"] += len(alike)
            continue
        counts.left_out["said before"] += len(alike) - 1
        if known.judge(alike[0].text) == "near":
            counts.left_out["nearly said before"] += 1
            continue
        yield alike[0]
    counts.left_out = +counts.left_out  # no reasons without a line


def _without_single(examples: Iterable[Labelled], counts: LabelCounts) -> Iterator[Labelled]:
    """Those whose label another has too: one is learnt from and one judged by."""
    kept = list(examples)
    sizes = Counter(example.label for example in kept)
    counts.seen_once = [label for label, n in sizes.items() if n == 1]
    if counts.seen_once:
        counts.left_out["label seen once"] += len(counts.seen_once)
    yield from (example for example in kept if sizes[example.label] > 1)


def split_labelled(
    examples: Sequence[Labelled], *, held_out_share: float, seed: int
) -> tuple[list[int], list[int]]:
    """Places of the texts to learn from and of those to judge by: those marked so, or a share of
    every label, one at least. Raises DataError where a label would not be learnt.
    """
    judged = [place for place, example in enumerate(examples) if example.is_development]
    if not judged:
        order = np.random.default_rng([seed, 3]).permutation(len(examples)).tolist()
        by_label: defaultdict[str, list[int]] = defaultdict(list)
        for place in order:
            by_label[examples[place].label].append(place)
        judged = sorted(
            place
            for places in by_label.values()
            for place in places[: max(1, round(held_out_share * len(places)))]
        )
    known = set(judged)
    learnt = [place for place in range(len(examples)) if place not in known]
    unknown = {examples[n].label for n in judged} - {examples[n].label for n in learnt}
    if unknown:
        raise DataError(
            f"--examples: nothing is left to learn {', '.join(sorted(unknown))} from; mark fewer "
            'lines with "split": "dev"'
        )
    return learnt, judged
