"""Files of any content become texts or a counted reason."""

import json
from pathlib import Path

import pytest

from generation.training import documents
from generation.training.documents import Skips, cut_text, find_files, read_documents
from generation.training.errors import DataError, OptionError


def read(path: Path) -> tuple[list[str], Skips]:
    skips = Skips()
    return [document.text for document in read_documents(path, path.name, skips)], skips


def test_files_are_found_in_order_and_hidden_or_foreign_ones_are_not(tmp_path: Path) -> None:
    for name in ("b.md", "a.txt", "deep/c.JSONL", ".hidden.txt", ".git/d.txt", "picture.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    found = [path.relative_to(tmp_path).as_posix() for path in find_files(tmp_path)]
    assert found == ["a.txt", "b.md", "deep/c.JSONL"]


def test_a_folder_that_is_missing_or_empty_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"^--data: .*none is not a folder"):
        find_files(tmp_path / "none")
    with pytest.raises(DataError, match=r"^--data: .* holds no \.txt, \.md, \.jsonl file"):
        find_files(tmp_path)


def test_a_byte_order_mark_and_line_ends_of_windows_leave_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfuno\r\ndos")
    assert read(path)[0] == ["uno\ndos"]


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.jsonl"])
def test_a_binary_file_is_skipped_with_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x7fELF\0\0\0\1" * 100)
    texts, skips = read(tmp_path / name)
    assert texts == []
    assert str(skips) == f"binary file: 1 (first: {name})"


def test_a_file_that_is_not_utf8_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "latin1.txt"
    path.write_bytes("el año que viene".encode("latin-1"))
    texts, skips = read(path)
    assert texts == []
    assert "not UTF-8" in str(skips)


def test_lines_of_json_without_a_text_are_counted_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    good = json.dumps({"text": "yes"}).encode()
    bad = [
        b'{"text": 3}',
        b'["text"]',
        b"{",
        b"[" * 100_000,
        b'"\xff"',
        b'{"text": 1' + b"0" * 9999,
    ]
    path.write_bytes(b"\n".join([good, b"", *bad, good]))
    texts, skips = read(path)
    assert texts == ["yes", "yes"]
    assert skips.counts == {'line without a "text"': len(bad)}
    assert skips.first['line without a "text"'] == "a.jsonl:3"


def test_a_line_too_long_for_memory_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MAX_LINE_BYTES", 64)
    path = tmp_path / "a.jsonl"
    long = json.dumps({"text": "x" * 1000})
    path.write_text(f'{{"text": "one"}}\n{long}\n{{"text": "two"}}')
    texts, skips = read(path)
    assert texts == ["one", "two"]
    assert skips.counts == {"line too long": 1}


def test_one_huge_line_becomes_documents_of_bounded_length(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("word " * 100_000)
    texts, _ = read(path)
    assert "".join(texts) == "word " * 100_000
    assert max(map(len, texts)) <= documents.MAX_DOCUMENT_CHARS
    assert all(text.endswith(" ") for text in texts)


def test_a_long_text_is_cut_between_paragraphs_before_lines_before_words() -> None:
    assert list(cut_text(["aaa bbb\nccc\n\nddd eee"], max_chars=18)) == [
        "aaa bbb\nccc\n\n",
        "ddd eee",
    ]
    assert list(cut_text(["aaaa bbb\nccc dddd"], max_chars=14)) == ["aaaa bbb\n", "ccc dddd"]
    assert list(cut_text(["aaaaaa", "aaaaaa"], max_chars=5)) == ["aaaaa", "aaaaa", "aa"]
    assert list(cut_text([])) == []
