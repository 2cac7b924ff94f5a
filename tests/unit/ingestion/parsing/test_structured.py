"""Tables and records in text: CSV and its kin, JSON and JSON Lines."""

from pathlib import Path

import pytest

from ingestion.parsing import delimited, records
from ingestion.parsing.tables import render_table
from tests.unit.ingestion.house import LIMITS

TABLE = "| Mes | Total |\n| --- | --- |\n| enero | 1,50 |\n| febrero | 2,00 |"


def _csv(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / "file"
    path.write_bytes(data)
    return delimited.parse(path, LIMITS, lambda *_: None).text


def _json(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / "file"
    path.write_bytes(data)
    return records.parse(path, LIMITS, lambda *_: None).text


@pytest.mark.parametrize(
    "source",
    [
        'Mes,Total\nenero,"1,50"\nfebrero,"2,00"\n',
        "Mes;Total\r\nenero;1,50\r\nfebrero;2,00\r\n",
        "Mes\tTotal\nenero\t1,50\nfebrero\t2,00",
        "Mes|Total\nenero|1,50\nfebrero|2,00",
        "sep=;\nMes;Total\nenero;1,50\nfebrero;2,00",
    ],
)
def test_any_common_delimiter_gives_one_table(tmp_path: Path, source: str) -> None:
    assert _csv(tmp_path, source.encode()) == TABLE


def test_cells_with_lines_and_bars_stay_in_their_place(tmp_path: Path) -> None:
    assert _csv(tmp_path, b'a,b\n"x\ny","p|q"\n') == "| a | b |\n| --- | --- |\n| x y | p\\|q |"


def test_rows_that_are_too_short_or_too_long_lose_nothing(tmp_path: Path) -> None:
    assert _csv(tmp_path, b"a,b\n1\n1,2,3\n") == (
        "| a | b |  |\n| --- | --- | --- |\n| 1 |  |  |\n| 1 | 2 | 3 |"
    )


def test_one_column_is_read_as_it_stands(tmp_path: Path) -> None:
    assert _csv(tmp_path, b"one\ntwo\n") == "one\ntwo\n"


def test_a_cell_may_be_as_long_as_the_file(tmp_path: Path) -> None:
    assert "x" * 200_000 in _csv(tmp_path, b"a,b\n1," + b"x" * 200_000)


def test_a_table_without_words_is_no_table() -> None:
    assert render_table([["", " "], []]) == ""


def test_records_are_paragraphs_and_numbers_keep_their_digits(tmp_path: Path) -> None:
    source = '[{"name": "Año", "price": 1.50, "tags": ["a", "b"]}, {"name": "B", "on": true}]'
    assert (
        _json(tmp_path, source.encode())
        == "name: Año\nprice: 1.50\ntags: a, b\n\nname: B\non: true"
    )


def test_nested_values_carry_the_way_to_them(tmp_path: Path) -> None:
    source = (
        b'{"id": 7, "address": {"city": "Lugo", "geo": {"lat": 43.0}}, '
        b'"rows": [{"x": 1}, {"x": null}]}'
    )
    assert _json(tmp_path, source) == (
        "id: 7\n\naddress.city: Lugo\naddress.geo.lat: 43.0\n\nrows.x: 1\n\nrows.x: null"
    )


def test_json_lines_are_records(tmp_path: Path) -> None:
    assert _json(tmp_path, b'{"a": 1}\n\n{"a": 2}\n') == "a: 1\n\na: 2"


@pytest.mark.parametrize(
    "source",
    [b'{"a": 1, // a comment\n"b": 2}', b'{"a": 1}\nand words', b"[" * 100_000],
    ids=["comment", "mixed", "deep"],
)
def test_what_is_no_json_after_all_is_text(tmp_path: Path, source: bytes) -> None:
    assert _json(tmp_path, source) == source.decode()


def test_huge_numbers_cost_nothing(tmp_path: Path) -> None:
    digits = b"9" * 50_000
    assert _json(tmp_path, b'{"n": ' + digits + b"}") == f"n: {digits.decode()}"
