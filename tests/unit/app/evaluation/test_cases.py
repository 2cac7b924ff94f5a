"""Evaluation files: read whole or not at all, and every line at fault is named."""

from pathlib import Path

import pytest

from app.evaluation.cases import BadEvaluationFileError, as_lines, load_cases

GOOD = '{"question": "When does it open?", "answers": ["nine"], "gold_doc_ids": ["pool.txt"]}'


def _load(path: Path, text: str | bytes) -> str:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadEvaluationFileError) as caught:
        load_cases(path)
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "questions.jsonl"


def test_a_file_is_read_with_its_blank_lines_and_byte_order_mark(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + f"{GOOD}\r\n\n".encode() + '{"question": "¿Y?"}'.encode())

    first, second = load_cases(file)

    assert (first.line, first.answers, first.gold_documents) == (1, ("nine",), ("pool.txt",))
    assert (first.language, first.kind, first.has_gold) == ("en", "time", True)
    assert (second.line, second.language, second.has_gold) == (3, "es", False)
    assert second.is_answerable


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("nonsense", "no JSON object"),
        ('["question"]', "no JSON object"),
        ('{"question": ', "not JSON"),
        ("{}", "question"),
        ('{"question": "  "}', "question"),
        ('{"question": 7}', "question"),
        ('{"question": "a", "answers": "b"}', "answers"),
        ('{"question": "a", "answers": [""]}', "answers"),
        ('{"question": "a", "gold_quot": "b"}', "gold_quot"),
        ('{"question": "a", "gold_span": {"start": 1}}', "gold_span"),
        (r'{"question": "\ud800"}', "surrogates"),
        ('{"question": "a", "lang": "klingon"}', "lang"),
        ('{"question": "a", "answerable": false, "answers": ["b"]}', "not answerable"),
        ('{"a":' * 30_000, "nested too deeply"),
        ('{"question": "' + "a" * 300_000 + '"}', "longer"),
    ],
)
def test_a_line_at_fault_is_named_with_its_reason(file: Path, line: str, told: str) -> None:
    message = _load(file, f"{GOOD}\n{line}\n{GOOD}\n")

    assert "line 2: " in message
    assert told in message
    assert "line 1" not in message
    assert "line 3" not in message


def test_every_line_at_fault_is_named_up_to_twenty(file: Path) -> None:
    message = _load(file, "x\n" * 50)

    assert "line 1:" in message
    assert "line 20:" in message
    assert "line 21:" not in message
    assert "and 30 more lines" in message


def test_bytes_that_are_no_utf8_are_told_with_their_line(file: Path) -> None:
    assert "line 2: it is not UTF-8" in _load(file, GOOD.encode() + b'\n{"question": "\xe9"}')


@pytest.mark.parametrize("empty", ["", "\n \n"])
def test_a_file_without_questions_is_refused(file: Path, empty: str) -> None:
    assert "holds no question" in _load(file, empty)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadEvaluationFileError, match="cannot be read"):
        load_cases(tmp_path / "nowhere.jsonl")


def test_what_a_review_rejected_is_left_out(file: Path) -> None:
    file.write_text(
        "\n".join(
            f'{{"question": "{word}?", "review": "{word}"}}'
            for word in ("accepted", "rejected", "pending")
        )
    )

    assert [case.question for case in load_cases(file)] == ["accepted?", "pending?"]


def test_a_case_reads_as_it_was_written(file: Path) -> None:
    span = {"document_id": "doc_1", "version": 2, "page": None, "start": 3, "end": 9}
    rows: list[dict[str, object]] = [
        {"question": "When?", "answers": ["nine", "ten"], "gold_doc_ids": ["pool.txt"]},
        {"question": "¿Quién?", "gold_quote": "Ella lo abre.", "gold_span": span, "lang": "es"},
        {"question": "Who?", "answerable": False},
    ]
    file.write_text(as_lines(rows))
    first = load_cases(file)

    file.write_text(as_lines(case.as_row() for case in first))

    assert load_cases(file) == first
