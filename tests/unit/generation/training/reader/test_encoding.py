"""Questions over one passage share what their prompts begin with, where that is worth it."""

from pathlib import Path

import pytest

from generation.local_model import load_tokenizer, open_weights
from generation.prompts import PromptTemplate, load_prompt, read_template
from generation.training.reader.encoding import encode_file
from generation.training.reader.groups import Encoded
from tests.unit.generation.training.reader.making import (
    make_plain_rows,
    reader_options,
    write_base,
    write_rows,
)

_QUESTION_FIRST = """
name: question_first
en:
  system: Answer.
  passage: "{text}"
  user: "{question} {passages} {question}"
"""


def encode(folder: Path, template: PromptTemplate, monkeypatch: pytest.MonkeyPatch) -> Encoded:
    monkeypatch.setattr("generation.training.reader.encoding.load_prompt", lambda _name: template)
    base = write_base(folder)
    rows = [
        row | {"question": f"{place}: a colour?"} for place, row in enumerate(make_plain_rows(8))
    ]
    write_rows(folder / "examples.jsonl", rows)
    with open_weights(base) as source:
        tokenizer = load_tokenizer(source)
    return encode_file(reader_options(folder), tokenizer, tokenizer_sha256="0" * 64)


def test_a_passage_is_read_once_for_all_its_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = encode(tmp_path, load_prompt("direct"), monkeypatch)
    groups = encoded.learnt + encoded.judged
    assert [len(group.branches) for group in groups] == [3] * 8
    assert sum(group.num_tokens for group in encoded.learnt) < 0.6 * encoded.facts.num_alone


def test_prompts_that_begin_with_the_question_are_read_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = encode(tmp_path, read_template(_QUESTION_FIRST, version=1), monkeypatch)
    groups = encoded.learnt + encoded.judged
    assert [len(group.branches) for group in groups] == [1] * 24
    assert sum(group.num_tokens for group in encoded.learnt) == encoded.facts.num_alone
