"""JSON and JSON Lines: one paragraph a record, one `key: value` a line. Numbers keep their digits.

What is not JSON after all, such as a settings file with comments, is text and stays as it is.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ingestion.parsing.document import ParsedDocument, ParseLimits, Report
from ingestion.parsing.text import clean_text, decode, refuse_long

_LITERALS: Final = {True: "true", False: "false", None: "null"}


def parse(path: Path, limits: ParseLimits, _report: Report) -> ParsedDocument:
    """Read JSON. Raises `UnreadableDocumentError`, `DocumentTooLargeError`."""
    source = clean_text(decode(path.read_bytes()))
    try:
        text = "\n\n".join(filter(None, map(_paragraph, _records(_load(source)))))
    except (ValueError, RecursionError):
        text = source
    return ParsedDocument(refuse_long(clean_text(text), limits.max_text_chars))


def _load(source: str) -> list[object]:
    try:
        return [_loads(source)]
    except ValueError:
        return [_loads(line) for line in source.splitlines() if line.strip()]


def _loads(source: str) -> object:
    # as they are written: "1.50" is a price, and a float would lose its nought
    value: object = json.loads(source, parse_int=str, parse_float=str)
    return value


def _records(values: list[object]) -> Iterator[object]:
    # a list of records, alone or under one key, and the records themselves read alike
    for value in values:
        if isinstance(value, list):
            yield from value
        elif isinstance(value, dict):
            plain = {key: inner for key, inner in value.items() if not _is_nested(inner)}
            yield plain
            for key, inner in value.items():
                if isinstance(inner, list) and any(map(_is_nested, inner)):
                    yield from ({key: item} for item in inner)
                elif _is_nested(inner):
                    yield {key: inner}
        else:
            yield value


def _is_nested(value: object) -> bool:
    if isinstance(value, list):
        return any(isinstance(item, dict | list) for item in value)
    return isinstance(value, dict)


def _paragraph(record: object) -> str:
    return "\n".join(_lines("", record))


def _lines(path: str, value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _lines(f"{path}.{key}" if path else key, inner)
    elif isinstance(value, list) and _is_nested(value):
        for item in value:
            yield from _lines(path, item)
    else:
        scalar = ", ".join(map(_scalar, value)) if isinstance(value, list) else _scalar(value)
        yield f"{path}: {scalar}" if path else scalar


def _scalar(value: object) -> str:
    # numbers are strings by now, and their text; true and null are as JSON writes them
    return value if isinstance(value, str) else _LITERALS.get(value, str(value))  # type: ignore[call-overload]
