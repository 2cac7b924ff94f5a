"""CSV and its kin, with any common delimiter: one Markdown table. The first row is its header."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from ingestion.errors import UnreadableDocumentError
from ingestion.parsing.document import ParsedDocument, ParseLimits, Report
from ingestion.parsing.tables import render_table
from ingestion.parsing.text import clean_text, decode, refuse_long

_DELIMITERS: Final = ",;\t|"
_SAMPLE_ROWS: Final = 50
_SAMPLE_CHARS: Final = 1 << 16
_DECLARATION: Final = "sep="  # how Excel is told the delimiter, in a first line


def parse(path: Path, limits: ParseLimits, _report: Report) -> ParsedDocument:
    """Read a table of text. Raises `UnreadableDocumentError`, `DocumentTooLargeError`."""
    source = refuse_long(clean_text(decode(path.read_bytes())), limits.max_text_chars)
    first, _, rest = source.partition("\n")
    if first.lower().startswith(_DECLARATION) and len(first) == len(_DECLARATION) + 1:
        source, delimiter = rest, first[-1]
    else:
        delimiter = _find_delimiter(source)
    # one column is a list of lines, and better read as it stands
    text = render_table(_rows(source, delimiter)) if delimiter else source
    return ParsedDocument(refuse_long(text, limits.max_text_chars))


def _find_delimiter(source: str) -> str:
    # the one by which most of the first rows have the same number of cells; the wider, if equal
    best, best_score = "", (0.0, 0)
    for delimiter in _DELIMITERS:
        rows = list(islice(_rows(source[:_SAMPLE_CHARS], delimiter), _SAMPLE_ROWS))
        widths = Counter(len(row) for row in rows if len(row) > 1)
        if widths:
            width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
            best, best_score = max(
                (best, best_score), (delimiter, (count / len(rows), width)), key=lambda at: at[1]
            )
    return best


def _rows(source: str, delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(max(csv.field_size_limit(), len(source) + 1))
    try:
        yield from csv.reader(io.StringIO(source, newline=""), delimiter=delimiter)
    except csv.Error as error:
        raise UnreadableDocumentError(f"the table cannot be read: {error}") from error
