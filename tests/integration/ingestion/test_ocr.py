"""Pictures of text are read with the models of the extra, and say where each line stands."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import CimientoError
from ingestion.errors import DocumentTooLargeError, NoTextFoundError, UnreadableDocumentError
from ingestion.parsing import image, pdf
from ingestion.parsing.document import ParsedDocument, ParseLimits
from ingestion.parsing.ocr import as_picture
from tests.unit.ingestion import files
from tests.unit.ingestion.house import LIMITS

LINES = ("El pingüino nació en otoño.", "It swims in cold water.")


def _read(tmp_path: Path, data: bytes, limits: ParseLimits = LIMITS) -> ParsedDocument:
    path = tmp_path / "file"
    path.write_bytes(data)
    if data.startswith(b"%PDF"):
        return pdf.parse(path, limits, lambda _done, _total: None)
    return image.parse(path, limits, lambda _done, _total: None)


@pytest.mark.parametrize(("kind", "turns"), [("PNG", 0), ("JPEG", 1), ("TIFF", 2)])
def test_a_picture_is_read_however_it_lies(tmp_path: Path, kind: str, turns: int) -> None:
    parsed = _read(tmp_path, files.build_picture(LINES, kind=kind, turns=turns))
    assert parsed.text == "\n".join(LINES)
    # where the lines begin: the second is 60 pixels below the first, whatever below is now
    first, second = (
        ((box.x0, box.y0), (box.x0, box.y1), (box.x1, box.y1))[turns] for box in parsed.line_boxes
    )
    down = [(0, 60), (60, 0), (0, -60)][turns]
    assert (second[0] - first[0], second[1] - first[1]) == pytest.approx(down, abs=12)


def test_a_scanned_page_has_its_text_at_its_place(tmp_path: Path) -> None:
    parsed = _read(tmp_path, files.build_scanned_pdf([LINES[:1], LINES[1:]]))
    assert [parsed.text[start:].split("\n")[0] for start in parsed.page_starts] == list(LINES)
    for box, line in zip(parsed.line_boxes, LINES, strict=True):
        assert parsed.text[box.start : box.end] == line
        # 40 of the picture's 900 pixels from its left, half a point each, above 500 of 842
        assert box.x0 == pytest.approx(72 + 20, abs=8)
        assert 842 - 500 - 60 < box.y0 < box.y1 < 842 - 500
    assert [box.page for box in parsed.line_boxes] == [1, 2]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (files.build_picture([]), NoTextFoundError),
        (files.build_picture(LINES)[:500], UnreadableDocumentError),
        (files.build_picture([""] * 400), DocumentTooLargeError),
    ],
)
def test_a_picture_without_text_says_why(
    tmp_path: Path, data: bytes, error: type[CimientoError]
) -> None:
    with pytest.raises(error):
        _read(tmp_path, data, replace(LIMITS, max_image_pixels=1_000_000))


@pytest.mark.parametrize("data", [files.build_picture(LINES), files.build_scanned_pdf([LINES])])
def test_ocr_that_is_off_names_its_setting(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(NoTextFoundError, match="CIMIENTO_INGESTION__OCR"):
        _read(tmp_path, data, replace(LIMITS, ocr=False))


def test_what_is_transparent_is_white() -> None:
    pixels = np.array([[[9, 8, 7, 255], [9, 8, 7, 0]]], dtype=np.uint8)  # (H, W, 4)
    assert as_picture(pixels).tolist() == [[[7, 8, 9], [255, 255, 255]]]
    assert as_picture(pixels[:, :, 0]).tolist() == [[[9, 9, 9], [9, 9, 9]]]
