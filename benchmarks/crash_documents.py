"""Documents for the crash matrix: real files, each in as many versions as are asked for.

A version says its marker, a word that stands nowhere else, on a line of its own.
"""

import io
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import docx
from pypdfium2 import PdfDocument
from reportlab.pdfgen.canvas import Canvas

_MAX_BYTES: Final = {
    ".pdf": 120_000,
    ".docx": 60_000,
    ".html": 60_000,
    ".md": 16_000,
    ".txt": 16_000,
}
_WORDS: Final = ("river", "hill", "road", "mill", "ford", "bridge", "barn", "market", "tower")


@dataclass(frozen=True, slots=True)
class Original:
    """A file that versions are made of."""

    name: str
    data: bytes

    @property
    def suffix(self) -> str:
        """Its kind."""
        return Path(self.name).suffix.lower()

    def version(self, marker: str) -> bytes:
        """Its bytes with a line that says the marker."""
        return _MARKERS[self.suffix](self.data, f"The word of this version is {marker}.")


def find_originals(folders: Iterable[Path], count: int, *, seed: int) -> list[Original]:
    """Small files of every kind below the folders, as evenly as there are; built ones fill up."""
    by_kind: dict[str, list[Path]] = {suffix: [] for suffix in _MAX_BYTES}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            limit = _MAX_BYTES.get(path.suffix.lower(), 0)
            if path.is_file() and path.stat().st_size < limit:
                by_kind[path.suffix.lower()].append(path)
    rng = random.Random(seed)  # noqa: S311 - the same run again, no secret
    for paths in by_kind.values():
        rng.shuffle(paths)
    found: list[Original] = []
    while len(found) < count and any(by_kind.values()):
        for suffix in _MAX_BYTES:
            if by_kind[suffix] and len(found) < count:
                path = by_kind[suffix].pop()
                original = Original(f"{len(found):02}-{path.name}", path.read_bytes())
                if _is_usable(original):
                    found.append(original)
    while len(found) < count:
        suffix = list(_MAX_BYTES)[len(found) % len(_MAX_BYTES)]
        found.append(Original(f"{len(found):02}-built{suffix}", _build(suffix, rng)))
    return found


def _is_usable(original: Original) -> bool:
    try:
        original.version("probe")
    except Exception:  # noqa: BLE001  # broken and encrypted files stand among the real ones
        return False
    return True


def _build(suffix: str, rng: random.Random) -> bytes:
    lines = [" ".join(rng.choices(_WORDS, k=12)) + "." for _ in range(60)]
    if suffix == ".pdf":
        return _pdf(lines)
    if suffix == ".docx":
        document = docx.Document()
        for line in lines:
            document.add_paragraph(line)
        return _saved(document.save)
    if suffix == ".html":
        return (
            "<html><body>" + "".join(f"<p>{line}</p>" for line in lines) + "</body></html>"
        ).encode()
    return "\n\n".join(lines).encode()


def _mark_text(data: bytes, line: str) -> bytes:
    return data + f"\n\n{line}\n".encode()


def _mark_html(data: bytes, line: str) -> bytes:
    start = data.lower().find(b"<p>")
    start = start if start >= 0 else max(0, data.lower().rfind(b"</body>"))
    return data[:start] + f"<p>{line}</p>".encode() + data[start:]


def _mark_docx(data: bytes, line: str) -> bytes:
    document = docx.Document(io.BytesIO(data))
    document.add_paragraph(line)
    return _saved(document.save)


def _mark_pdf(data: bytes, line: str) -> bytes:
    with PdfDocument(data) as document, PdfDocument(_pdf([line])) as page:
        document.import_pages(page)
        return _saved(document.save)


def _pdf(lines: list[str]) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, invariant=True)
    for number, line in enumerate(lines):
        canvas.drawString(40, 800 - 12 * number, line)
    canvas.save()
    return buffer.getvalue()


def _saved(save: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    save(buffer)
    return buffer.getvalue()


_MARKERS: Final[Mapping[str, Callable[[bytes, str], bytes]]] = {
    ".pdf": _mark_pdf,
    ".docx": _mark_docx,
    ".html": _mark_html,
    ".md": _mark_text,
    ".txt": _mark_text,
}
