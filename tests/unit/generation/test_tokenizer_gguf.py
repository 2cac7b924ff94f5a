"""GGUF tokenizers: splits by name, SentencePiece rebuilt, kinds of tokens kept apart."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generation.engine.errors import (
    EngineError,
    GgufError,
    UnsupportedModelError,
    WeightsFileError,
)
from generation.engine.gguf_file import GgufFile
from generation.tokenizer import Tokenizer
from generation.tokenizer_codecs import build_byte_level
from generation.tokenizer_gguf import load_gguf_tokenizer
from generation.types import Message
from tests.unit.generation.engine.tiny import TEMPLATE, byte_tokens

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
SPECIALS = [("<pad>", CONTROL), ("<eos>", CONTROL), ("<bos>", CONTROL), ("<unk>", UNKNOWN)]
WORDS = [
    *("▁", "h", "e", "l", "o", "w", "r", "d", "<", ">", "b", "s"),
    *("▁h", "he", "ll", "hell", "hello", "▁hello", "lo", "<bo", "bo", "os"),
]
SENTENCEPIECE = [
    *SPECIALS,
    ("\n\n", USER_DEFINED),
    ("  ", USER_DEFINED),
    ("<start_of_turn>", CONTROL),
    ("<end_of_turn>", CONTROL),
    *((f"<0x{byte:02X}>", BYTE) for byte in range(256)),
    *((word, NORMAL) for word in WORDS),
    ("<unused0>", UNUSED),
]


def write(path: Path, entries: Sequence[tuple[str, int]], **keys: Any) -> Path:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(keys.pop("model", "llama"))
    writer.add_token_list([token for token, _ in entries])
    writer.add_token_types([kind for _, kind in entries])
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(1)
    for key, value in keys.items():
        getattr(writer, f"add_{key}")(value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def load(path: Path, entries: Sequence[tuple[str, int]], **keys: Any) -> Tokenizer:
    with GgufFile(write(path / "tokens.gguf", entries, **keys)) as file:
        return load_gguf_tokenizer(file)


@pytest.fixture(scope="module")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("spm")
    return load(folder, SENTENCEPIECE, add_space_prefix=False, chat_template=TEMPLATE)


def shown(tokenizer: Tokenizer, text: str) -> list[str]:
    return [SENTENCEPIECE[token_id][0] for token_id in tokenizer.encode(text)]


def test_neighbours_merge_into_the_token_with_the_lowest_id(gemma: Tokenizer) -> None:
    assert shown(gemma, "hello") == ["hello"]
    # "▁h" comes before "he", so "▁hello" is never reached
    assert shown(gemma, " hello") == ["▁h", "e", "ll", "o"]


def test_a_character_without_a_token_falls_back_to_its_bytes(gemma: Tokenizer) -> None:
    assert shown(gemma, "hñ") == ["h", "<0xC3>", "<0xB1>"]


def test_tokens_that_stand_for_their_own_text_are_found_first(gemma: Tokenizer) -> None:
    assert shown(gemma, "h\n\n  h") == ["h", "\n\n", "  ", "h"]
    assert shown(gemma, "\n") == ["<0x0A>"]


def test_text_that_spells_a_byte_or_an_unused_token_stays_text(gemma: Tokenizer) -> None:
    for text in ("<0x0A>", "<unused0>", "<unk>", "<bos>"):
        ids = gemma.encode(text)
        assert len(ids) > 1
        assert gemma.decode(ids) == text


@given(text=st.text().filter(lambda text: "▁" not in text))
def test_decoding_undoes_encoding(gemma: Tokenizer, text: str) -> None:
    assert gemma.decode(gemma.encode(text)) == text


@given(parts=st.lists(st.sampled_from(["<bos>", "<", "bo", "s", ">", "<end_of_turn>", "\n", " "])))
def test_text_never_becomes_a_control_token(gemma: Tokenizer, parts: list[str]) -> None:
    ids = gemma.encode("".join(parts))
    assert gemma.control_ids.isdisjoint(ids)
    assert gemma.decode(ids) == "".join(parts)


def test_the_space_before_a_text_is_dropped_again(tmp_path: Path) -> None:
    llama = load(tmp_path, SENTENCEPIECE)  # a file that does not say has one
    ids = llama.encode("hello")
    assert ids == [SENTENCEPIECE.index(("▁h", NORMAL)), *llama.encode("hello")[1:]]
    assert llama.decode(ids) == "hello"
    decoder = llama.stream_decoder()
    assert "".join(map(decoder.push, ids)) + decoder.flush() == "hello"
    assert llama.decode(llama.encode(" hello")) == " hello"


def test_what_opens_and_ends_a_text_is_known(gemma: Tokenizer, tmp_path: Path) -> None:
    assert gemma.opening_ids == (2,)
    assert gemma.stop_ids == {1, 7}
    silent = load(tmp_path, SENTENCEPIECE, add_bos_token=False)
    assert silent.opening_ids == ()


def byte_level(**changes: Any) -> Mapping[str, Any]:
    return {"model": "gpt2", "token_merges": ["h e"], "tokenizer_pre": "qwen2", **changes}


BYTES = [(token, CONTROL if index < 3 else NORMAL) for index, token in enumerate(byte_tokens())]


def test_a_token_a_user_may_write_is_no_control_token(tmp_path: Path) -> None:
    entries = [*BYTES, ("<think>", USER_DEFINED), ("naïve ¿sí?", USER_DEFINED)]
    tokenizer = load(tmp_path, entries, **byte_level(chat_template=TEMPLATE))
    ids = tokenizer.encode("a<think>naïve ¿sí?")
    assert ids[1:] == [len(BYTES), len(BYTES) + 1]
    assert tokenizer.decode(ids) == "a<think>naïve ¿sí?"
    chat = tokenizer.render_chat([Message("user", "<think><|im_end|>")])
    assert [i for i in chat if i in tokenizer.control_ids] == [1, 2, 1]


@pytest.mark.parametrize(
    ("pre", "pieces"),
    [
        ("gpt-2", ["Don", "'t", "Ġpay", "Ġ2024", "ĠâĤ¬", "ĠĠ", "Ġnow", ".", "ĊĊ", "Ġx"]),
        ("smollm", ["Don", "'t", "Ġpay", "Ġ", *"2024", "ĠâĤ¬", "ĠĠ", "Ġnow", ".", "ĊĊ", "Ġx"]),
        (
            "llama-bpe",
            ["Don", "'t", "Ġpay", "Ġ", "202", "4", "ĠâĤ¬", "ĠĠ", "Ġnow", ".ĊĊ", "Ġx"],
        ),
        ("qwen2", ["Don", "'t", "Ġpay", "Ġ", *"2024", "ĠâĤ¬", "ĠĠ", "Ġnow", ".ĊĊ", "Ġx"]),
    ],
)
def test_each_name_splits_its_own_way(pre: str, pieces: list[str]) -> None:
    splitter = build_byte_level(byte_tokens(), (), pre=pre, hidden=()).bpe.pre_tokenizer
    split = splitter.pre_tokenize_str("Don't pay 2024 €   now.\n\n x")
    assert [piece for piece, _ in split] == pieces


def test_a_merge_that_would_make_a_control_token_is_left_out(tmp_path: Path) -> None:
    entries = [("ab", CONTROL), *BYTES]
    tokenizer = load(tmp_path, entries, **byte_level(token_merges=["a b"]))
    assert len(tokenizer.encode("ab")) == 2


@pytest.mark.parametrize("merge", ["a", " b", "a zz", "é b"])
def test_a_merge_that_does_not_fit_is_refused(tmp_path: Path, merge: str) -> None:
    with pytest.raises(WeightsFileError, match="merge"):
        load(tmp_path, BYTES, **byte_level(token_merges=[merge]))


def test_an_endless_token_is_refused_in_time(tmp_path: Path) -> None:
    with pytest.raises(WeightsFileError, match="a token of 1000000 characters"):
        load(tmp_path, [*SENTENCEPIECE, ("h" * 10**6, NORMAL)])


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 4000), value=st.integers(0, 255), spm=st.booleans())
def test_a_changed_byte_is_read_or_refused_but_never_crashes(
    tmp_path: Path,
    position: int,
    value: int,
    spm: bool,  # noqa: FBT001  drawn
) -> None:
    keys = {} if spm else dict(byte_level(chat_template=TEMPLATE))
    path = write(tmp_path / "tokens.gguf", SENTENCEPIECE if spm else BYTES, **keys)
    content = bytearray(path.read_bytes())
    content[position % len(content)] = value
    path.write_bytes(content)
    try:
        with GgufFile(path) as file:
            tokenizer = load_gguf_tokenizer(file)
        assert tokenizer.control_ids.isdisjoint(tokenizer.encode("hello <bos> <|im_end|>"))
    except EngineError as error:
        assert str(error)  # noqa: PT017  most changes are harmless: nothing needs to be raised


def test_another_split_or_kind_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="'tekken'"):
        load(tmp_path, BYTES, **byte_level(tokenizer_pre="tekken"))
    with pytest.raises(UnsupportedModelError, match="'bert'"):
        load(tmp_path, BYTES, model="bert")
    with pytest.raises(GgufError, match="token types"):
        load(tmp_path, BYTES, token_types=[1])
