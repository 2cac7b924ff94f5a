"""A map as a picture: one SVG file that any browser opens. Text is escaped; no script, no link."""

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from retrieval.map.types import Cluster, CollectionMap

_SIDE: Final = 1_000
_MARGIN: Final = 60
_TOP: Final = 70
_WIDTH: Final = _SIDE + 2 * _MARGIN
_LINE: Final = 20
_CHAR: Final = 9.4  # width of a letter of a label, at most on the whole
_NUM_TRIES: Final = 24
# Turned by the golden angle, neighbours in the list are far apart in colour.
_HUE_STEP: Final = 137.508
_STYLE: Final = (
    "text{font:600 15px system-ui,sans-serif;fill:#1b1f24;text-anchor:middle;"
    "paint-order:stroke;stroke:#fff;stroke-width:4px;stroke-linejoin:round}"
    "path{fill:none;stroke-linecap:round;stroke-opacity:.7}"
    ".title{font-size:24px;text-anchor:start}.note{font-weight:400;text-anchor:start}"
)


@dataclass(frozen=True, slots=True)
class _Canvas:
    """From the unit square to the paper, which is as high as the map needs."""

    low: float
    high: float

    @property
    def height(self) -> float:
        return round(_TOP + (self.high - self.low) * _SIDE + _MARGIN)

    def across(self, x: float) -> float:
        return _MARGIN + x * _SIDE

    def down(self, y: float) -> float:
        return _TOP + (self.high - y) * _SIDE


def draw_svg(drawn: CollectionMap, *, title: str) -> str:
    """The whole picture. All dots of a cluster are one path, so that it stays small and quick."""
    down = drawn.places[:, 1]
    canvas = _Canvas(float(down.min(initial=0.5)), float(down.max(initial=0.5)))
    shown = f"{len(drawn.chunk_ids):,} of {drawn.num_chunks:,} chunks"
    if len(drawn.chunk_ids) == drawn.num_chunks:
        shown = f"{drawn.num_chunks:,} chunks"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {canvas.height}" '
        f'width="{_WIDTH}" height="{canvas.height}" role="img">',
        f"<title>{_escape(title)}</title><style>{_STYLE}</style>",
        f'<rect width="{_WIDTH}" height="{canvas.height}" fill="#fff"/>',
        *_dots(drawn, canvas),
        *_labels(drawn.clusters, canvas),
        f'<text class="title" x="{_MARGIN // 2}" y="38">{_escape(title)}</text>',
        f'<text class="note" x="{_MARGIN // 2}" y="60">{shown}, '
        f"{len(drawn.clusters)} clusters</text>",
        "</svg>\n",
    ]
    return "\n".join(parts)


def _dots(drawn: CollectionMap, canvas: _Canvas) -> Iterator[str]:
    dot = min(max(200 / max(len(drawn.chunk_ids), 1) ** 0.5, 1.8), 9.0)
    for label, cluster in enumerate(drawn.clusters):
        places = drawn.places[drawn.labels == label].tolist()
        steps = "".join(f"M{canvas.across(x):.1f} {canvas.down(y):.1f}h0" for x, y in places)
        hue = round(label * _HUE_STEP % 360)
        yield (
            f'<path stroke="hsl({hue},65%,{38 + 14 * (label % 2)}%)" stroke-width="{dot:.1f}" '
            f'd="{steps}"><title>{_escape(_name(cluster, 4))}: {cluster.num_points}</title></path>'
        )


def _labels(clusters: tuple[Cluster, ...], canvas: _Canvas) -> Iterator[str]:
    """The names, the largest cluster's first; one that would cover another moves up or down."""
    taken: list[tuple[float, float, float]] = []  # left, right, middle
    for cluster in clusters:
        name = _name(cluster, 3)
        half = len(name) * _CHAR / 2
        x = min(max(canvas.across(cluster.x), half), _WIDTH - half)
        for number in range(_NUM_TRIES):
            # at its place, then a line below, a line above, two below, and so on
            y = canvas.down(cluster.y) + _LINE * ((number + 1) // 2) * (1 if number % 2 else -1)
            if _TOP <= y < canvas.height and all(
                x + half < left or right < x - half or abs(y - middle) >= _LINE
                for left, right, middle in taken
            ):
                break
        taken.append((x - half, x + half, y))
        yield f'<text x="{x:.1f}" y="{y:.1f}">{_escape(name)}</text>'


def _name(cluster: Cluster, num_terms: int) -> str:
    return ", ".join(cluster.terms[:num_terms]) or "(no words)"


def _escape(text: str) -> str:
    """Text as XML may hold it: neither markup nor a character that no XML file may have."""
    return html.escape("".join(char for char in text if char.isprintable()))
