"""A loss curve as SVG, drawn by hand: two lines and a baseline need no plotting library."""

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


def draw_losses(rows: Sequence[Row], *, baseline: float) -> str:
    """Training loss (averaged), validation loss and the loss of guessing by frequency alone."""
    training = smooth([(row.step, row.loss) for row in rows])
    validation = [
        (float(row.step), row.validation_loss) for row in rows if row.validation_loss is not None
    ]
    losses = [y for _, y in (*training, *validation)] + [baseline]
    ticks = choose_ticks(min(losses), max(losses))
    scale = Scale(max(1.0, rows[-1].step if rows else 1.0), ticks[0], ticks[-1])
    across = (0.0, baseline), (scale.max_x, baseline)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="12" fill="{_INK}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        *_draw_axes(scale, ticks),
        _draw_line(scale, across, f'stroke="{_BASELINE}" stroke-dasharray="5 4"'),
        _draw_line(scale, training, f'stroke="{_TRAINING}" stroke-width="1.5"'),
        _draw_line(scale, validation, f'stroke="{_VALIDATION}" stroke-width="2"'),
        *(_draw_dot(scale, point) for point in validation),
        *_draw_legend(),
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


def _draw_axes(scale: Scale, ticks: Sequence[float]) -> list[str]:
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
    parts.append(f'<text x="{LEFT}" y="{TOP - 24}">loss, nats per token</text>')
    return parts


def _draw_line(scale: Scale, points: Sequence[Point], style: str) -> str:
    if len(points) < 2:
        return ""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(scale.place, points))
    return f'<polyline points="{path}" fill="none" stroke-linejoin="round" {style}/>'


def _draw_dot(scale: Scale, point: Point) -> str:
    x, y = scale.place(point)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{_VALIDATION}"/>'


def _draw_legend() -> list[str]:
    entries = (
        ("training, averaged", _TRAINING),
        ("validation", _VALIDATION),
        ("token frequencies alone", _BASELINE),
    )
    parts = []
    for index, (name, colour) in enumerate(entries):
        x, y = WIDTH - RIGHT - 470 + 160 * index, TOP - 28
        parts.append(f'<path d="M{x} {y}h18" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<text x="{x + 24}" y="{y + 4}">{name}</text>')
    return parts
