"""Rows of cells to Markdown tables. Pure."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

_SPACE: Final = re.compile(r"\s+")


def render_table(rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose first row is its header; short rows are filled up.

    Rows without a word are left out; a table without any is the empty string.
    """
    cells = [row for row in ([_cell(value) for value in row] for row in rows) if any(row)]
    if not cells:
        return ""
    width = max(map(len, cells))
    lines = [_line([*row, *[""] * (width - len(row))]) for row in cells]
    return "\n".join([lines[0], _line(["---"] * width), *lines[1:]])


def _cell(value: str) -> str:
    return _SPACE.sub(" ", value).strip().replace("|", "\\|")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
