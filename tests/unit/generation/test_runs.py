"""Whole words of a text, to the letter, whatever the tokenizer: nothing else can be written."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import normalizers

from generation.choices import ChoiceConstraint, runs
from generation.spans import word_ends, word_starts
from generation.tokenizer import Tokenizer
from generation.tokenizer_folder import load_folder_tokenizer
from tests.unit.generation.test_tokenizer_folder import (
    build_sentencepiece,
    save,
    train_byte_level,
)

WORDS = st.sampled_from(
    ["hello", "word", "faro", "él", "señor", "$5.3", "(net)", "10%", "🙂", "la-la"]
)
TEXTS = st.lists(WORDS, min_size=1, max_size=6).map(" ".join)
STOP = 1


@pytest.fixture(scope="module", params=[train_byte_level, build_sentencepiece])
def tokenizer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Tokenizer:
    return load_folder_tokenizer(save(tmp_path_factory.mktemp("tokenizer"), request.param()))


def texts_of(text: str, tokenizer: Tokenizer, *, max_tokens: int | None = None) -> set[str]:
    return {
        tokenizer.decode(path.ids[:end])
        for path in runs(text, tokenizer, max_tokens=max_tokens)
        for end in path.ends
    }


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS)
def test_all_runs_of_whole_words_can_be_written_and_nothing_else(
    tokenizer: Tokenizer, text: str
) -> None:
    starts, ends = word_starts(text), word_ends(text)
    wanted = {text[start:end] for start in starts for end in ends if start < end}
    written = texts_of(text, tokenizer)

    # a tokenizer that joins a word with the sign after it cannot end between them
    assert written <= wanted
    words = text.split()
    every_run = {
        " ".join(words[a:b]) for a in range(len(words)) for b in range(a + 1, len(words) + 1)
    }
    assert every_run <= written


def test_words_are_never_cut_and_signs_are_as_they_stand() -> None:
    text = "It cost $5.3 (net)."
    starts, ends = word_starts(text), word_ends(text)
    runs_of_it = {text[start:end] for start in starts for end in ends if start < end}

    assert {"$5.3", "5.3", "cost", "$5.3 (net)", "net"} <= runs_of_it
    assert not {"t cost", "It cos", "cost ", " cost"} & runs_of_it


def test_a_run_that_is_too_long_is_shorter_by_whole_words(tokenizer: Tokenizer) -> None:
    text = "el señor del faro"
    limit = len(tokenizer.encode("el señor")) + 1
    written = texts_of(text, tokenizer, max_tokens=limit)

    assert "el señor" in written
    assert text not in written
    assert all(len(tokenizer.encode(run)) <= limit for run in written)


def test_a_model_that_may_write_runs_stops_by_any_of_its_ends(tokenizer: Tokenizer) -> None:
    constraint = ChoiceConstraint(
        runs("hello word", tokenizer, max_tokens=None), stop_ids={0, STOP}, vocab_size=400
    )
    for token in tokenizer.encode("hello"):
        assert constraint.mask()[token]
        constraint.advance(token)

    assert {0, STOP} < set(constraint.allowed_next())
    assert not constraint.is_finished
    assert constraint.forced() == []


def test_a_tokenizer_that_changes_characters_writes_only_what_it_leaves(tmp_path: Path) -> None:
    bpe = train_byte_level()
    bpe.normalizer = normalizers.NFC()  # as some checkpoints do
    tokenizer = load_folder_tokenizer(save(tmp_path, bpe))

    assert texts_of("hello se\u006e\u0303or word", tokenizer) == {"word"}
    assert "hello señor" in texts_of("hello señor word", tokenizer)
