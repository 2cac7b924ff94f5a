"""Bars with intervals, counts and curves as SVG, drawn by hand. Every text is escaped."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from app.evaluation.summary import Figure

_ROW: Final = 26
_WIDTH: Final = 760
_LABEL: Final = 300
_BAR: Final = 330
_INK: Final = "#1d2733"
_FAINT: Final = "#d7dde4"
_BLUE: Final = "#3b6fb6"
_RED: Final = "#b5452c"
_GREEN: Final = "#3d8361"
_LINES: Final = (_BLUE, "#8a94a0")
_CURVE: Final = 300


def draw_figures(figures: Mapping[str, Figure], names: Mapping[str, str]) -> str:
    """A bar from 0 for each figure between 0 and 1, with its interval; the others as numbers."""
    rows = []
    for row, (name, label) in enumerate((key, names[key]) for key in names if key in figures):
        figure = figures[name]
        middle = row * _ROW + _ROW / 2
        bar = max(0.0, min(1.0, figure.value)) * _BAR
        low, high = (_LABEL + max(0.0, min(1.0, end)) * _BAR for end in (figure.low, figure.high))
        rows.append(
            f'<text x="{_LABEL - 10}" y="{middle + 4}" text-anchor="end">{escape(label)}</text>'
            f'<rect x="{_LABEL}" y="{middle - 8}" width="{_BAR}" height="16" fill="#f2f4f7"/>'
            f'<rect x="{_LABEL}" y="{middle - 8}" width="{bar:.1f}" height="16" fill="{_BLUE}"/>'
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" stroke="{_INK}" '
            'stroke-width="1.5"/>'
            f'<text x="{_LABEL + _BAR + 10}" y="{middle + 4}">{figure.value:.3f} '
            f"[{figure.low:.3f}, {figure.high:.3f}] n={figure.n}</text>"
        )
    return _svg(_WIDTH + 120, max(1, len(rows)) * _ROW, rows, "Figures with 95 % intervals")


def draw_counts(counts: Mapping[str, int], good: Sequence[str]) -> str:
    """A bar for each count; the good ones in green."""
    largest = max(1, *counts.values())
    rows = []
    for row, (label, count) in enumerate(counts.items()):
        middle = row * _ROW + _ROW / 2
        colour = _GREEN if label in good else _RED
        rows.append(
            f'<text x="{_LABEL - 10}" y="{middle + 4}" text-anchor="end">{escape(label)}</text>'
            f'<rect x="{_LABEL}" y="{middle - 8}" width="{count / largest * _BAR:.1f}" height="16" '
            f'fill="{colour}"/>'
            f'<text x="{_LABEL + count / largest * _BAR + 8:.1f}" y="{middle + 4}">{count}</text>'
        )
    return _svg(_WIDTH, len(rows) * _ROW, rows, "Where questions ended")


def draw_curves(curves: Mapping[str, Sequence[tuple[float, float]]], title: str) -> str:
    """Lines between 0 and 1 on both axes, with a legend."""
    left, top = 50, 20
    parts = [
        f'<rect x="{left}" y="{top}" width="{_CURVE}" height="{_CURVE}" fill="none" '
        f'stroke="{_FAINT}"/>'
    ]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = left + tick * _CURVE, top + (1 - tick) * _CURVE
        parts.append(
            f'<line x1="{left}" x2="{left + _CURVE}" y1="{y}" y2="{y}" stroke="{_FAINT}"/>'
            f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{tick:.2f}</text>'
            f'<text x="{x}" y="{top + _CURVE + 18}" text-anchor="middle">{tick:.2f}</text>'
        )
    for number, (name, points) in enumerate(curves.items()):
        colour = _LINES[number % len(_LINES)]
        path = " ".join(f"{left + x * _CURVE:.1f},{top + (1 - y) * _CURVE:.1f}" for x, y in points)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
            f'<text x="{left + _CURVE + 20}" y="{top + 20 + number * 20}" fill="{colour}">'
            f"{escape(name)}</text>"
        )
    return _svg(left + _CURVE + 200, top + _CURVE + 30, parts, title)


def _svg(width: float, height: float, parts: Sequence[str], title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'width="{width}" font-family="system-ui, sans-serif" font-size="13" fill="{_INK}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )
