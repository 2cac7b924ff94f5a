"""Names and metadata of uploads are made safe or refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.errors import BadMetadataError
from ingestion.uploads import clean_name, read_metadata


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ana\\informe año.docx", "informe año.docx"),
        ("dir/", "dir"),
        ("..", "document"),
        ("", "document"),
        ("\x00\x07\u202e", "document"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("a\nb\tc.txt", "a b c.txt"),
        ("  spaced .md ", "spaced .md"),
        ("cafe\u0301.md", "café.md"),
    ],
)
def test_a_name_keeps_only_what_can_be_shown(name: str, expected: str) -> None:
    assert clean_name(name) == expected


def test_a_long_name_keeps_its_suffix() -> None:
    cleaned = clean_name("x" * 400 + ".markdown")
    assert len(cleaned) == 255
    assert cleaned.endswith(".markdown")


@settings(deadline=None)  # the machine may be busy
@given(st.text())
def test_every_name_can_be_stored(name: str) -> None:
    cleaned = clean_name(name)
    assert 0 < len(cleaned) <= 255
    assert "/" not in cleaned
    assert clean_name(cleaned) == cleaned
    cleaned.encode()


def test_metadata_is_a_json_object() -> None:
    assert read_metadata(None) == read_metadata("") == {}
    assert read_metadata('{"año": 2026, "tags": ["a"]}') == {"año": 2026, "tags": ["a"]}
    assert read_metadata('{"x": [-9e299, "\\ud83d\\ude00"]}') == {"x": [-9e299, "😀"]}


@pytest.mark.parametrize(
    "source",
    [
        "[1]",
        "nope",
        '{"x": NaN}',
        '{"x": "' + "y" * 20_000 + '"}',
        "[" * 9_000,
        # what PostgreSQL keeps, and then fails at whenever it compares
        '{"x": 1e999}',
        '{"x": [-1e300]}',
        '{"x": 1' + "0" * 301 + "}",
        '{"x": "\\u0000"}',
        '{"x": {"\\ud800": 1}}',
        '{"x": ["\\udfff"]}',
    ],
)
def test_other_metadata_is_refused(source: str) -> None:
    with pytest.raises(BadMetadataError):
        read_metadata(source)
