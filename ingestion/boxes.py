"""From a quote's offsets to rectangles on the page. Pure."""

import bisect
from collections.abc import Sequence

from core.types import Box


def quote_boxes(lines: Sequence[Sequence[float]], start: int, end: int) -> list[Box]:
    """The rectangles of `[start, end)`, one a line; `lines` are `LineBox` rows in reading order.

    A line that the quote covers in part is cut in proportion to its characters, which is close
    enough to show and needs no rectangle for every letter.
    """
    first = bisect.bisect_right([line[1] for line in lines], start)
    boxes: list[Box] = []
    for line in lines[first:]:
        if line[0] >= end:
            break
        boxes.append(_cut(line, start, end))
    return boxes


def _cut(line: Sequence[float], start: int, end: int) -> Box:
    line_start, line_end, page, x0, y0, x1, y1 = line
    width = (x1 - x0) / max(1.0, line_end - line_start)
    left = x0 + width * max(0.0, start - line_start)
    right = x1 - width * max(0.0, line_end - end)
    return Box(int(page), round(left, 2), y0, round(right, 2), y1)
