"""From a folder to texts worth learning from: read, clean, reject, drop duplicates; count all."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from generation.training.cleaning import clean, find_fault
from generation.training.deduplication import Deduplicator
from generation.training.documents import Skips, find_files, read_documents
from generation.training.errors import DataError

MIN_CHARS: Final = 200


@dataclass(slots=True)
class CorpusCounts:
    """What became of a folder. After the last text: read = kept + rejected + duplicates."""

    num_files: int = 0
    num_read: int = 0
    num_kept: int = 0
    num_chars_read: int = 0
    num_chars_kept: int = 0
    num_exact_duplicates: int = 0
    num_near_duplicates: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    skips: Skips = field(default_factory=Skips)

    def lines(self) -> list[str]:
        """What happened, in sentences for a person and for the data card."""
        found = [
            f"{self.num_files:,} files gave {self.num_read:,} documents "
            f"({self.num_chars_read:,} characters)",
            f"{self.num_exact_duplicates:,} exact and {self.num_near_duplicates:,} near duplicates "
            "were left out",
        ]
        if self.rejected:
            reasons = ", ".join(f"{why} {n:,}" for why, n in self.rejected.most_common())
            found.append(f"{self.rejected.total():,} documents were left out: {reasons}")
        if self.skips.counts:
            found.append(f"not read: {self.skips}")
        found.append(f"{self.num_kept:,} documents are left ({self.num_chars_kept:,} characters)")
        return found

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def iterate_texts(
    folder: Path, counts: CorpusCounts, *, min_chars: int = MIN_CHARS
) -> Iterator[str]:
    """The cleaned texts of a folder, each once, in the order of file names.

    Raises DataError when none is left; the message says what became of them.
    """
    known = Deduplicator()
    for path in find_files(folder):
        counts.num_files += 1
        source = path.relative_to(folder).as_posix()
        for document in read_documents(path, source, counts.skips):
            counts.num_read += 1
            counts.num_chars_read += len(document.text)
            text = clean(document.text)
            if _is_wanted(text, known, counts, min_chars=min_chars):
                counts.num_kept += 1
                counts.num_chars_kept += len(text)
                yield text
    if not counts.num_kept:
        raise DataError(
            f"--data: {folder} holds nothing to learn from: " + "; ".join(counts.lines())
        )


def _is_wanted(text: str, known: Deduplicator, counts: CorpusCounts, *, min_chars: int) -> bool:
    fault = find_fault(text, min_chars=min_chars)
    if fault is not None:
        counts.rejected[fault] += 1
        return False
    verdict = known.judge(text)
    counts.num_exact_duplicates += verdict == "exact"
    counts.num_near_duplicates += verdict == "near"
    return verdict == "new"
