"""Pictures, through OCR: every page of a TIFF, the first frame of an animation.

Rectangles count the picture's own pixels, as it is shown: one pixel is one point.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from ingestion.errors import DocumentTooLargeError, NoTextFoundError, UnreadableDocumentError
from ingestion.parsing.document import ParsedDocument, ParseLimits, Report
from ingestion.parsing.ocr import LONGEST_SIDE, Ocr, as_picture, require_ocr
from ingestion.parsing.pages import PageBuilder

# Only these decoders may look at the bytes.
_FORMATS: Final = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF")


def parse(path: Path, limits: ParseLimits, report: Report) -> ParsedDocument:
    """Read a picture.

    Raises `OcrNotInstalledError`, `UnreadableDocumentError`, `NoTextFoundError`, and
    `DocumentTooLargeError` for too many pixels or pages.
    """
    if not limits.ocr:
        raise NoTextFoundError("the file is a picture, and OCR is off (CIMIENTO_INGESTION__OCR)")
    require_ocr()
    # Late: it comes with the extra.
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415

    # Every frame's header is measured here before it is decoded; Pillow's own limit only warns.
    Image.MAX_IMAGE_PIXELS = None
    try:
        with Image.open(path, formats=_FORMATS) as image:
            return _read(image, limits, report)
    except UnidentifiedImageError as error:
        # its message names a file of the server
        raise UnreadableDocumentError(
            "the picture is damaged: its header makes no sense"
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise UnreadableDocumentError(f"the picture is damaged ({error})") from error


def _read(image: Any, limits: ParseLimits, report: Report) -> ParsedDocument:
    builder = PageBuilder(limits.max_text_chars)
    ocr: Ocr | None = None
    num_pages = image.n_frames if image.format == "TIFF" else 1
    if num_pages > limits.max_pages:
        raise DocumentTooLargeError(
            f"the picture has {num_pages} pages, the limit is {limits.max_pages} "
            "(CIMIENTO_INGESTION__MAX_PAGES)"
        )
    for index, (picture, shrunk) in enumerate(_frames(image, num_pages, limits)):
        # the models are loaded for a picture that was found to be one
        ocr = ocr or Ocr()
        builder.add_page(ocr.read_lines(as_picture(picture), pixels_per_point=shrunk))
        report(index + 1, num_pages)
    if not builder.has_text:
        raise NoTextFoundError("no text can be made out on the picture")
    return builder.build()


def _frames(image: Any, num_pages: int, limits: ParseLimits) -> Iterator[tuple[Any, float]]:
    """Each frame upright and no larger than it is read, with how much it was shrunk."""
    from PIL import ImageOps  # noqa: PLC0415  # late: it comes with the extra

    for index in range(num_pages):
        image.seek(index)
        width, height = image.size
        if width * height > limits.max_image_pixels:
            raise DocumentTooLargeError(
                f"the picture has {width} x {height} pixels, the limit is "
                f"{limits.max_image_pixels} (CIMIENTO_INGESTION__MAX_IMAGE_PIXELS)"
            )
        shrunk = min(1.0, LONGEST_SIDE / max(width, height, 1))
        # JPEG decodes to about the wanted size at once.
        image.draft("RGB", (int(width * shrunk), int(height * shrunk)))
        upright = ImageOps.exif_transpose(image).convert("RGBA")
        upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        yield np.asarray(upright), shrunk
