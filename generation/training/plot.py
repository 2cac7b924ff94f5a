"""A run's curves as SVG, drawn by hand: a few lines need no plotting library."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from generation.training.journal import Row

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 60, 24, 44, 48
MAX_POINTS: Final = 600
SMOOTHING: Final = 0.05  # share of the points that one shown point averages over, at both sides

_INK, _FAINT, _TRAINING, _VALIDATION, _BASELINE = (
    *("#333333", "#dddddd", "#9ab8d8"),
    *("#c0392b", "#777777"),
)

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps steps and losses to places in the picture."""

    max_x: float
    min_y: float
    max_y: float

    def place(self, point: Point) -> Point:
        x, y = point
        across = x / self.max_x
        up = (min(max(y, self.min_y), self.max_y) - self.min_y) / (self.max_y - self.min_y)
        return (
            LEFT + across * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM),
        )


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of the picture. `has_dots`: each of its points was measured, none is a mean."""

    name: str
    points: Sequence[Point]
    colour: str
    has_dots: bool = False
    is_dashed: bool = False

    @property
    def style(self) -> str:
        dashes = ' stroke-dasharray="5 4"' if self.is_dashed else ""
        return f'stroke="{self.colour}" stroke-width="{2 if self.has_dots else 1.5}"{dashes}'


def draw_losses(rows: Sequence[Row], *, baseline: float | None = None, unit: str = "token") -> str:
    """Training loss (averaged), validation loss, and the loss of guessing by frequency alone.

    unit: what a loss is of.
    """
    validation = [
        (row.step, row.validation_loss) for row in rows if row.validation_loss is not None
    ]
    last = max(1.0, rows[-1].step if rows else 1.0)
    curves = [
        Curve("training, averaged", smooth([(row.step, row.loss) for row in rows]), _TRAINING),
        Curve("validation", validation, _VALIDATION, has_dots=True),
    ]
    if baseline is not None:
        level = (0.0, baseline), (last, baseline)
        curves.append(Curve("token frequencies alone", level, _BASELINE, is_dashed=True))
    return draw_curves(curves, title=f"loss, nats per {unit}", max_x=last)


def draw_metric(rows: Sequence[Row], *, name: str) -> str:
    """What validations gave besides the loss."""
    points = [
        (row.step, row.validation_metric) for row in rows if row.validation_metric is not None
    ]
    last = max(1.0, rows[-1].step if rows else 1.0)
    return draw_curves(
        [Curve("validation", points, _VALIDATION, has_dots=True)], title=name, max_x=last
    )


def draw_curves(curves: Sequence[Curve], *, title: str, max_x: float) -> str:
    """Curves over steps 0 to `max_x` as SVG."""
    levels = [y for curve in curves for _, y in curve.points] or [0.0]
    ticks = choose_ticks(min(levels), max(levels))
    scale = Scale(max_x, ticks[0], ticks[-1])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="12" fill="{_INK}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        *_draw_axes(scale, ticks, title),
        *(_draw_line(scale, curve.points, curve.style) for curve in curves),
        *(_draw_dot(scale, point) for curve in curves if curve.has_dots for point in curve.points),
        *_draw_legend(curves),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def smooth(points: Sequence[Point]) -> list[Point]:
    """At most `MAX_POINTS` points, each the mean of its neighbourhood."""
    reach = int(len(points) * SMOOTHING / 2)
    stride = max(1, len(points) // MAX_POINTS)
    shown = []
    for index in {*range(0, len(points), stride), len(points) - 1} if points else ():
        near = points[max(0, index - reach) : index + reach + 1]
        shown.append((points[index][0], sum(y for _, y in near) / len(near)))
    return sorted(shown)


def choose_ticks(low: float, high: float) -> list[float]:
    """Four to nine round numbers that enclose low and high."""
    span = max(high - low, 0.1)
    power = 10 ** math.floor(math.log10(span))
    step = next(power * m for m in (0.2, 0.5, 1, 2) if span / (power * m) <= 7)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(index * step, 6) for index in range(first, max(last, first + 1) + 1)]


def _draw_axes(scale: Scale, ticks: Sequence[float], title: str) -> list[str]:
    parts = []
    for tick in ticks:
        x, y = scale.place((0, tick))
        parts.append(f'<path d="M{x} {y:.1f}H{WIDTH - RIGHT}" stroke="{_FAINT}"/>')
        parts.append(f'<text x="{x - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for step in (tick for tick in choose_ticks(0, scale.max_x) if tick <= scale.max_x):
        x, y = scale.place((step, ticks[0]))
        parts.append(f'<text x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle">{step:,g}</text>')
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">step</text>')
    parts.append(f'<text x="{LEFT}" y="{TOP - 24}">{title}</text>')
    return parts


def _draw_line(scale: Scale, points: Sequence[Point], style: str) -> str:
    if len(points) < 2:
        return ""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(scale.place, points))
    return f'<polyline points="{path}" fill="none" stroke-linejoin="round" {style}/>'


def _draw_dot(scale: Scale, point: Point) -> str:
    x, y = scale.place(point)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{_VALIDATION}"/>'


def _draw_legend(curves: Sequence[Curve]) -> list[str]:
    parts = []
    for index, curve in enumerate(curves):
        x, y = WIDTH - RIGHT - 470 + 160 * index, TOP - 28
        parts.append(f'<path d="M{x} {y}h18" stroke="{curve.colour}" stroke-width="3"/>')
        parts.append(f'<text x="{x + 24}" y="{y + 4}">{curve.name}</text>')
    return parts
