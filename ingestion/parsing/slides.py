"""PPTX, slide by slide: titles, text, tables, the figures of charts, notes. A slide is a page.

Our own reader of it: xberg puts a space between runs, and so into words. Nothing outside the file
is looked up.
"""

import posixpath
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import lxml.etree  # type: ignore[import-untyped]  # lxml has no types

from ingestion.errors import DocumentTooLargeError, UnreadableDocumentError
from ingestion.parsing.archives import DAMAGED, refuse_bomb
from ingestion.parsing.document import ParsedDocument, ParseLimits, Report, join_pages
from ingestion.parsing.markdown import find_headings
from ingestion.parsing.tables import render_table
from ingestion.parsing.text import clean_text

_A: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_C: Final = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_DGM: Final = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_P: Final = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_R: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_MC: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_MAIN: Final = "ppt/presentation.xml"
_TITLES: Final = frozenset({"title", "ctrTitle"})
# Placeholders that repeat on every slide and say nothing of it.
_FURNITURE: Final = frozenset({"dt", "ftr", "hdr", "sldNum", "sldImg"})
_NOT_LISTS: Final = frozenset({"subTitle"})


def parse(path: Path, limits: ParseLimits, report: Report) -> ParsedDocument:
    """Read a presentation. Raises `UnreadableDocumentError`, `DocumentTooLargeError`."""
    refuse_bomb(path, max_text_chars=limits.max_text_chars)
    pages: list[str] = []
    try:
        with zipfile.ZipFile(path) as archive:
            package = _Package(archive)
            slides = package.slides()
            if len(slides) > limits.max_pages:
                raise DocumentTooLargeError(
                    f"the presentation has {len(slides)} slides, the limit is {limits.max_pages} "
                    "(CIMIENTO_INGESTION__MAX_PAGES)"
                )
            for number, slide in enumerate(slides):
                pages.append(clean_text("\n\n".join(_slide(package, slide))))
                report(number + 1, len(slides))
    except (*DAMAGED, KeyError, lxml.etree.XMLSyntaxError) as error:
        raise UnreadableDocumentError(f"the presentation is damaged: {error}") from error
    text, starts = join_pages(pages, max_chars=limits.max_text_chars)
    return ParsedDocument(text, page_starts=starts, headings=tuple(find_headings(text)))


class _Package:
    """The parts of the file, and what each part refers to."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def slides(self) -> list[str]:
        """The parts of the slides, in the order they are shown."""
        targets = self.targets(_MAIN)
        ids = self.tree(_MAIN).iter(f"{_P}sldId")
        return [targets[key] for slide in ids if (key := slide.get(f"{_R}id")) in targets]

    def tree(self, part: str) -> Any:
        """A part's root element. Raises KeyError where it is missing."""
        parser = lxml.etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        return lxml.etree.fromstring(self._archive.read(part), parser)

    def targets(self, part: str) -> dict[str, str]:
        """The parts that a part refers to, by the id it gives them; those outside are left out."""
        folder, name = posixpath.split(part)
        try:
            root = self.tree(f"{folder}/_rels/{name}.rels")
        except KeyError:
            return {}
        return {
            relation.get("Id"): posixpath.normpath(
                posixpath.join("/", folder, relation.get("Target", ""))
            ).lstrip("/")
            for relation in root
            if relation.get("TargetMode") != "External"
        }


def _slide(package: _Package, part: str) -> Iterator[str]:
    root, targets = package.tree(part), package.targets(part)
    shapes = [shape for tree in root.iter(f"{_P}spTree") for shape in _shapes(tree)]
    # the title leads, wherever it stands among the shapes
    for shape in sorted(shapes, key=lambda shape: _placeholder(shape) not in _TITLES):
        yield from filter(None, _shape(package, shape, targets))
    for target in targets.values():
        if "/notesSlides/" in f"/{target}":
            yield from _notes(package, target)


def _shapes(tree: Any) -> Iterator[Any]:
    # groups opened; of two forms of one thing, the one that newer programs show
    for element in tree:
        if element.tag == f"{_P}grpSp":
            yield from _shapes(element)
        elif element.tag == f"{_MC}AlternateContent":
            chosen = element.find(f"{_MC}Choice")
            yield from _shapes(chosen if chosen is not None else ())
        elif element.tag in (f"{_P}sp", f"{_P}graphicFrame", f"{_P}pic"):
            yield element


def _placeholder(shape: Any) -> str | None:
    found = shape.find(f".//{_P}nvPr/{_P}ph")
    return None if found is None else found.get("type", "obj")


def _shape(package: _Package, shape: Any, targets: dict[str, str]) -> Iterator[str]:
    if shape.tag == f"{_P}pic":
        yield shape.find(f".//{_P}cNvPr").get("descr", "")
        return
    for table in shape.iter(f"{_A}tbl"):
        rows = ([_words(cell) for cell in row.iter(f"{_A}tc")] for row in table.iter(f"{_A}tr"))
        yield render_table(rows)
    for chart in shape.iter(f"{_C}chart"):
        if target := targets.get(chart.get(f"{_R}id")):
            yield from _chart(package.tree(target))
    for diagram in shape.iter(f"{_DGM}relIds"):
        if target := targets.get(diagram.get(f"{_R}dm")):
            points = package.tree(target).iter(f"{_DGM}t")
            yield "\n".join(f"- {words}" for point in points if (words := _words(point)))
    body = shape.find(f"{_P}txBody")
    if body is not None:
        yield _body(body, _placeholder(shape))


def _body(body: Any, placeholder: str | None) -> str:
    if placeholder in _FURNITURE:
        return ""
    if placeholder in _TITLES:
        title = " ".join(_words(body).split())
        return f"## {title}" if title else ""
    paragraphs = [(_level(item), _text(item)) for item in body.iter(f"{_A}p")]
    paragraphs = [(level, text) for level, text in paragraphs if text]
    is_list = placeholder is not None and placeholder not in _NOT_LISTS and len(paragraphs) > 1
    return "\n".join(f"{'  ' * level}- {text}" if is_list else text for level, text in paragraphs)


def _level(paragraph: Any) -> int:
    properties = paragraph.find(f"{_A}pPr")
    level = "0" if properties is None else properties.get("lvl", "0")
    return min(int(level), 8) if level.isdecimal() else 0


def _text(paragraph: Any) -> str:
    parts = (
        " " if element.tag == f"{_A}br" else element.text or ""
        for element in paragraph.iter(f"{_A}t", f"{_A}br")
    )
    return " ".join("".join(parts).split())


def _words(element: Any) -> str:
    return " ".join(filter(None, map(_text, element.iter(f"{_A}p"))))


def _chart(root: Any) -> Iterator[str]:
    title = root.find(f".//{_C}chart/{_C}title")
    yield "" if title is None else _words(title)
    series = list(root.iter(f"{_C}ser"))
    if not series:
        return
    columns = [_points(one, f"{_C}val") or _points(one, f"{_C}yVal") for one in series]
    names = [" ".join(_points(one, f"{_C}tx").values()) for one in series]
    labels = _points(series[0], f"{_C}cat") or _points(series[0], f"{_C}xVal")
    numbers = sorted({number for column in (labels, *columns) for number in column})
    rows = ([column.get(number, "") for column in (labels, *columns)] for number in numbers)
    yield render_table([["", *names], *rows])


def _points(series: Any, tag: str) -> dict[int, str]:
    # the values as the chart keeps them for showing, by their index
    return {
        int(point.get("idx", "0")): point.findtext(f"{_C}v") or ""
        for holder in series.findall(tag)
        for point in holder.iter(f"{_C}pt")
    }


def _notes(package: _Package, part: str) -> Iterator[str]:
    for shape in package.tree(part).iter(f"{_P}sp"):
        body = shape.find(f"{_P}txBody")
        if body is not None and _placeholder(shape) == "body" and (notes := _words(body)):
            yield f"Notes: {notes}"
