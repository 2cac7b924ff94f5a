"""Text in pictures, through rapidocr (the `ocr` extra). One thread, models from its wheel, offline.

Knows no file formats: a picture is an array of pixels.
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ingestion.errors import OcrNotInstalledError
from ingestion.parsing.pages import PageLine
from ingestion.parsing.reading_order import Piece, reading_order
from ingestion.parsing.text import clean_text

Picture = npt.NDArray[np.uint8]
"""Pixels (H, W, 3), blue first."""

# Longer sides are scaled down before anything is looked for; A4 at 170 dots an inch fits.
LONGEST_SIDE: Final = 2000
_MIN_SCORE: Final = 0.6
_SURE: Final = 0.85
EXTRA_MODULES: tuple[str, ...] = ("rapidocr", "onnxruntime", "PIL")
"""What the extra brings."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What was found on a picture turned by `turns` quarters; `score` is of the models, 0 to 1."""

    pieces: list[Piece]
    score: float
    turns: int

    @property
    def is_sideways(self) -> bool:
        """Whether most lines run up or down the page."""
        words = [piece for piece in self.pieces if len(piece.text) > 3]
        upright = sum(piece.x1 - piece.x0 >= piece.y1 - piece.y0 for piece in words)
        return upright * 2 < len(words)


class Ocr:
    """Reads one picture after the other with the same models."""

    def __init__(self) -> None:
        require_ocr()
        # Late: the extra may not be there, and its import takes seconds.
        from rapidocr import RapidOCR  # noqa: PLC0415

        threads = "EngineConfig.onnxruntime"
        self._engine = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.max_side_len": LONGEST_SIDE,
                "Global.text_score": 0.0,
                f"{threads}.intra_op_num_threads": 1,
                f"{threads}.inter_op_num_threads": 1,
            }
        )

    def read(self, picture: Picture) -> list[list[Piece]]:
        """The rows of text on a picture, in reading order; rectangles are in its pixels.

        A page that was scanned on its side or head down is turned, and its rectangles turned back.
        """
        found = self._find(picture, 0)
        if found.pieces and (found.is_sideways or found.score < _SURE):
            turned = [self._find(picture, turns) for turns in (1, 2, 3)]
            found = max((found, *turned), key=lambda each: (not each.is_sideways, each.score))
        height, width = picture.shape[:2]
        return [
            [_turn_back(piece, found.turns, width, height) for piece in row]
            for row in reading_order(found.pieces)
        ]

    def read_lines(self, picture: Picture, *, pixels_per_point: float) -> list[PageLine]:
        """The same as lines of a page; pieces beside each other make up one line of text."""
        return [
            PageLine(piece.text, _in_points(piece, pixels_per_point), goes_on=index > 0)
            for row in self.read(picture)
            for index, piece in enumerate(row)
        ]

    def _find(self, picture: Picture, turns: int) -> _Found:
        # Without the classifier that turns single lines: its help would hide how the page lies.
        result: Any = self._engine(np.ascontiguousarray(np.rot90(picture, turns)), use_cls=False)
        if result.boxes is None or not len(result.boxes):
            return _Found([], 0.0, turns)
        weights = [len(text) + 1 for text in result.txts]
        score = float(np.average(result.scores, weights=weights))
        return _Found(list(_pieces(result)), score, turns)


def as_picture(pixels: npt.NDArray[np.uint8]) -> Picture:
    """Grey (H, W) or (H, W, 1), RGB or RGBA pixels as a picture; what is transparent is white."""
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    colours = pixels[:, :, 2::-1]
    if pixels.shape[2] == 3:
        return np.ascontiguousarray(colours)
    opacity = pixels[:, :, 3:].astype(np.uint16)
    mixed = (colours * opacity + 255 * (255 - opacity)) // 255
    return mixed.astype(np.uint8)


def _in_points(piece: Piece, pixels_per_point: float) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (round(side / pixels_per_point, 2) for side in piece[1:])
    return x0, y0, x1, y1


def _pieces(result: Any) -> Iterator[Piece]:
    for corners, text, score in zip(result.boxes, result.txts, result.scores, strict=True):
        words = " ".join(clean_text(text).split())
        if words and score >= _MIN_SCORE:
            (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)  # (4, 2): its corners
            yield Piece(words, float(x0), float(y0), float(x1), float(y1))


def _turn_back(piece: Piece, turns: int, width: int, height: int) -> Piece:
    # numpy turns counter-clockwise; width and height are those before it did
    text, x0, y0, x1, y1 = piece
    if turns == 1:
        return Piece(text, width - y1, x0, width - y0, x1)
    if turns == 2:
        return Piece(text, width - x1, height - y1, width - x0, height - y0)
    if turns == 3:
        return Piece(text, y0, height - x1, y1, height - x0)
    return piece


def require_ocr() -> None:
    """Raise `OcrNotInstalledError` where the extra is missing."""
    if not has_ocr():
        raise OcrNotInstalledError(
            "the file has to be read by OCR, which is not installed: "
            "pip install 'cimiento[ocr]', then retry"
        )


def has_ocr() -> bool:
    """Whether the `ocr` extra is installed. Imports nothing."""
    return all(importlib.util.find_spec(name) for name in EXTRA_MODULES)
