"""A text is measured in pieces, and has the tokens that it has as a whole."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import Unigram
from tokenizers.pre_tokenizers import Metaspace

from core.tokens import FolderTokens

VOCABULARY = [("<unk>", 0.0), ("▁", -5.0), ("a", -6.0), ("b", -7.0), ("▁ab", -1.0)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tokenizer that knows two letters, and the word of both."""
    tokenizer = Tokenizer(Unigram(VOCABULARY, unk_id=0))
    tokenizer.pre_tokenizer = Metaspace()
    tokenizer.enable_truncation(4)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 512}))
    return tmp_path


def test_tokens_are_found_where_they_begin(folder: Path) -> None:
    tokens = FolderTokens(folder)
    assert tokens.starts("ab ab abb").tolist() == [0, 2, 5, 8]
    assert tokens.starts("").tolist() == []
    assert tokens.max_tokens == 512


def test_a_long_text_has_the_tokens_of_its_parts(folder: Path) -> None:
    text = "ab abb " * 30_000
    whole = Tokenizer.from_file(str(folder / "tokenizer.json"))
    whole.no_truncation()
    expected = [start for start, _ in whole.encode(text).offsets]
    assert len(expected) > 90_000
    assert FolderTokens(folder).starts(text).tolist() == expected


def test_a_long_text_without_spaces_is_measured_too(folder: Path) -> None:
    starts = FolderTokens(folder).starts("a" * 100_000)
    assert abs(len(starts) - 100_000) < 10
    assert starts[-1] == 99_999
