"""Lines of JSON to things worth learning from: every line that is left out is counted by reason."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class LineCounts:
    """What became of the lines of a file."""

    num_lines: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    num_kept: int = 0

    def told(self) -> str:
        """How many were read and left out, in a sentence for a person and for the data card."""
        reasons = ", ".join(f"{why} {n:,}" for why, n in self.left_out.most_common()) or "none"
        return f"{self.num_lines:,} lines were read; left out: {reasons}"


def read_lines(
    path: Path, counts: LineCounts, read: Callable[[Mapping[str, Any]], T | str]
) -> Iterator[T]:
    """What `read` makes of every line's object; where it gives a reason instead, that counts."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if not line.strip():
                continue
            counts.num_lines += 1
            row = _parse(line)
            found = row if isinstance(row, str) else read(row)
            if isinstance(found, str):
                counts.left_out[found] += 1
            else:
                yield found


def _parse(line: str) -> Mapping[str, Any] | str:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return "not JSON"
    return row if isinstance(row, dict) else "not an object"
