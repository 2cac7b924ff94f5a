"""Pieces of text on a page in the order a person reads them. Pure geometry; knows no words."""

import statistics
from collections.abc import Sequence
from typing import Final, NamedTuple

# A gutter is white from top to bottom; what stands on both sides must be text, not two cells.
_MIN_COLUMN_LINES: Final = 4
_MIN_COLUMN_FILL: Final = 0.55
_MAX_DEPTH: Final = 12


class Piece(NamedTuple):
    """A piece of text and its rectangle; the origin is the top left, units are the caller's."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float


def reading_order(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Rows of pieces: columns one after the other, rows from the top, pieces from the left."""
    return _order(list(pieces), _MAX_DEPTH)


def _order(pieces: list[Piece], depth: int) -> list[list[Piece]]:
    if depth and (columns := _columns(pieces)):
        return [row for column in columns for row in _order(column, depth - 1)]
    if depth and (bands := _bands(pieces)):
        return [row for band in bands for row in _order(band, depth - 1)]
    return _rows(pieces)


def _columns(pieces: list[Piece]) -> tuple[list[Piece], list[Piece]] | None:
    """Cut at the widest gutter that leaves two columns of running text."""
    by_left = sorted(pieces, key=lambda piece: piece.x0)
    best: tuple[float, int] | None = None
    reach = by_left[0].x1 if by_left else 0.0
    for index, piece in enumerate(by_left[1:], start=1):
        gap = piece.x0 - reach
        if gap > 0 and (best is None or gap > best[0]):
            best = (gap, index)
        reach = max(reach, piece.x1)
    if best is None:
        return None
    left, right = by_left[: best[1]], by_left[best[1] :]
    return (left, right) if _is_text(left) and _is_text(right) else None


def _is_text(column: list[Piece]) -> bool:
    # the lines of a paragraph nearly all fill its width; the cells of a table do not
    if len(column) < _MIN_COLUMN_LINES:
        return False
    width = max(piece.x1 for piece in column) - min(piece.x0 for piece in column)
    return statistics.median(piece.x1 - piece.x0 for piece in column) >= width * _MIN_COLUMN_FILL


def _bands(pieces: list[Piece]) -> tuple[list[Piece], list[Piece]] | None:
    """Cut at the highest white band under which there are columns: a title above them."""
    by_top = sorted(pieces, key=lambda piece: piece.y0)
    reach = by_top[0].y1 if by_top else 0.0
    for index, piece in enumerate(by_top[1:], start=1):
        if piece.y0 >= reach and _columns(by_top[index:]):
            return by_top[:index], by_top[index:]
        reach = max(reach, piece.y1)
    return None


def _rows(pieces: list[Piece]) -> list[list[Piece]]:
    rows: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda piece: (piece.y0 + piece.y1) / 2):
        middle = (piece.y0 + piece.y1) / 2
        if rows and all(other.y0 < middle < other.y1 for other in rows[-1]):
            rows[-1].append(piece)
        else:
            rows.append([piece])
    return [sorted(row, key=lambda piece: piece.x0) for row in rows]
