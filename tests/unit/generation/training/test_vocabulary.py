"""A tokenizer of our own making reads any text and gives the same text back."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from generation.training.errors import OptionError
from generation.training.vocabulary import (
    MIN_VOCAB_SIZE,
    SPECIAL_TOKENS,
    load_tokenizer,
    main,
    train_tokenizer,
)
from tests.unit.generation.training.texts import silent, write_corpus, write_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("vocabulary")
    return write_tokenizer(root / "tokenizer", write_corpus(root / "data"))


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return load_tokenizer(folder)


@given(text=st.text())
def test_any_text_comes_back_from_its_tokens(tokenizer: Tokenizer, text: str) -> None:
    sound = text.encode("utf-8", errors="replace").decode("utf-8")
    assert tokenizer.decode(tokenizer.encode(sound).ids, skip_special_tokens=False) == sound


def test_special_tokens_come_first_and_every_digit_stands_alone(tokenizer: Tokenizer) -> None:
    assert [tokenizer.token_to_id(name) for name in SPECIAL_TOKENS] == [0, 1, 2]
    assert [token.lstrip("Ġ") for token in tokenizer.encode("in 2026").tokens][-4:] == [*"2026"]


def test_a_special_token_written_in_a_document_stays_text(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("a <|endoftext|> b<|im_end|>").ids
    assert not {0, 1, 2} & set(ids)


def test_equal_folders_give_equal_tokenizers(folder: Path, tmp_path: Path) -> None:
    again = write_tokenizer(tmp_path / "again", write_corpus(tmp_path / "data"))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.parametrize("size", [0, -1, MIN_VOCAB_SIZE - 1, 10**9])
def test_an_impossible_size_is_refused_by_the_name_of_the_option(tmp_path: Path, size: int) -> None:
    with pytest.raises(OptionError, match=r"^--vocab-size must be from 259"):
        train_tokenizer(tmp_path, tmp_path / "out", vocab_size=size, report=silent)


def test_a_tokenizer_is_never_overwritten(folder: Path) -> None:
    with pytest.raises(OptionError, match=r"^--out: .* holds a tokenizer already"):
        train_tokenizer(folder, folder, vocab_size=300, report=silent)


def test_a_folder_too_small_for_the_size_says_how_many_tokens_it_gave(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_corpus(tmp_path / "data", num_documents=3)
    command = ["--data", str(data), "--out", str(tmp_path / "out"), "--vocab-size", "30000"]
    assert main(command) == 0
    assert "(30,000 were asked for: the text gives no more" in capsys.readouterr().err


def test_a_folder_without_a_usable_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"^--tokenizer: .*'cimiento train tokenizer' makes one"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(OptionError, match=r"^--tokenizer: "):
        load_tokenizer(tmp_path)
    foreign = json.dumps({"version": "1.0", "model": {"type": "BPE", "vocab": {}, "merges": []}})
    (tmp_path / "tokenizer.json").write_text(foreign)
    with pytest.raises(OptionError, match=r"has no <\|endoftext\|> token"):
        load_tokenizer(tmp_path)


def test_a_refusal_on_the_command_line_is_one_line_and_an_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    assert main(["--data", str(tmp_path), "--out", out, "--vocab-size", "300"]) == 1
    assert main(["--data", str(tmp_path), "--out", out, "--vocab-size", "3"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" ")[:2] for line in lines] == [
        ["error:", "--data:"],
        ["error:", "--vocab-size"],
    ]
