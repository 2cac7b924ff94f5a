"""From a quote's offsets to rectangles on the page. Pure."""

from typing import Final

import numpy as np
import numpy.typing as npt

from core.types import Box

Lines = npt.NDArray[np.float64]
"""(N, 7): a `LineBox` a row, in reading order."""

NO_LINES: Final[Lines] = np.zeros((0, 7))
_END: Final = 1


def quote_boxes(lines: Lines, start: int, end: int) -> list[Box]:
    """The rectangles of `[start, end)`, one a line.

    A line that the quote covers in part is cut in proportion to its characters, which is close
    enough to show and needs no rectangle for every letter.
    """
    boxes: list[Box] = []
    for line in lines[np.searchsorted(lines[:, _END], start, side="right") :]:
        if line[0] >= end:
            break
        boxes.append(_cut(line.tolist(), start, end))
    return boxes


def _cut(line: list[float], start: int, end: int) -> Box:
    line_start, line_end, page, x0, y0, x1, y1 = line
    width = (x1 - x0) / max(1.0, line_end - line_start)
    left = x0 + width * max(0.0, start - line_start)
    right = x1 - width * max(0.0, line_end - end)
    return Box(int(page), round(left, 2), y0, round(right, 2), y1)
