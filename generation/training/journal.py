"""The loss of every step in a file that a spreadsheet opens, and nowhere else."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from core.durable import replace_text

HEADER: Final = (
    *("step", "tokens", "elapsed_s", "learning_rate"),
    *("loss", "grad_norm", "validation_loss", "validation_metric"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One step. Losses are nats per token; validations only where there was one."""

    step: int
    tokens: int
    elapsed_s: float
    learning_rate: float
    loss: float
    grad_norm: float
    validation_loss: float | None
    validation_metric: float | None = None


class Journal:
    """Appends rows to a CSV file, each flushed: a killed run leaves all but the last."""

    def __init__(self, path: Path, *, first_step: int = 0) -> None:
        """Rows after `first_step` were written past the checkpoint that a run resumes from."""
        write_rows(path, [row for row in read_rows(path) if row.step <= first_step])
        self._stream = path.open("a", encoding="utf-8", newline="")

    def write(self, row: Row) -> None:
        self._stream.write(",".join(_cells(row)) + "\n")
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Replace the whole file."""
    lines = [",".join(HEADER), *(",".join(_cells(row)) for row in rows)]
    replace_text(path, "\n".join(lines) + "\n")


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a journal; a last line that was cut off by a kill is left out."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", newline="") as stream:
        for cells in csv.DictReader(stream):
            if None in cells.values():
                return
            yield Row(
                step=int(cells["step"]),
                tokens=int(cells["tokens"]),
                elapsed_s=float(cells["elapsed_s"]),
                learning_rate=float(cells["learning_rate"]),
                loss=float(cells["loss"]),
                grad_norm=float(cells["grad_norm"]),
                validation_loss=_optional(cells["validation_loss"]),
                validation_metric=_optional(cells["validation_metric"]),
            )


def _optional(cell: str) -> float | None:
    return float(cell) if cell else None


def _cells(row: Row) -> tuple[str, ...]:
    validations = row.validation_loss, row.validation_metric
    return (
        str(row.step),
        str(row.tokens),
        f"{row.elapsed_s:.1f}",
        f"{row.learning_rate:.4g}",
        f"{row.loss:.5f}",
        f"{row.grad_norm:.4g}",
        *("" if value is None else f"{value:.5f}" for value in validations),
    )
