"""tokenizer.json through one interface: same ids as its own package, no control token from text."""

import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import (
    AddedToken,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from generation.chat_template import ChatTemplateError
from generation.engine.errors import EngineError, UnsupportedModelError, WeightsFileError
from generation.tokenizer import Tokenizer
from generation.tokenizer_folder import load_folder_tokenizer
from generation.types import Message
from tests.unit.generation.engine.tiny import TEMPLATE

CONTROL = ["<|begin|>", "<|im_start|>", "<|im_end|>"]
TEXTS = ["hello world, hello word", "el faro de la costa, el faro"] * 3


def train_byte_level() -> tokenizers.Tokenizer:
    bpe = tokenizers.Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=CONTROL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(TEXTS, trainer)
    bpe.add_tokens([AddedToken("<think>", normalized=False)])
    bpe.post_processor = processors.TemplateProcessing(
        single="<|begin|> $A", special_tokens=[("<|begin|>", 0)]
    )
    return bpe


def build_sentencepiece() -> tokenizers.Tokenizer:
    """As Llama 2's tokenizer.json is: a space before every text, bytes for unknown characters."""
    words = ["▁", "h", "e", "l", "o", "he", "ll", "hell", "hello", "▁hello"]
    vocabulary = ["<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *words]
    merges = [("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o"), ("▁", "hello")]
    model = models.BPE(
        vocab={token: index for index, token in enumerate(vocabulary)},
        merges=merges,
        byte_fallback=True,
    )
    bpe = tokenizers.Tokenizer(model)
    bpe.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    bpe.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(content=" ", left=1, right=0),
        ]
    )
    bpe.add_special_tokens([AddedToken("<s>"), AddedToken("</s>")])
    return bpe


def save(folder: Path, bpe: tokenizers.Tokenizer, **settings: Any) -> Path:
    bpe.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture(scope="module", params=[train_byte_level, build_sentencepiece])
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Tokenizer, tokenizers.Tokenizer]:
    theirs = request.param()
    folder = save(tmp_path_factory.mktemp("tokenizer"), theirs)
    return load_folder_tokenizer(folder), theirs


@given(text=st.text())
def test_decoding_undoes_encoding(pair: tuple[Tokenizer, tokenizers.Tokenizer], text: str) -> None:
    ours, theirs = pair
    ids = ours.encode(text)
    assert ids == theirs.encode(text, add_special_tokens=False).ids
    assert ours.decode(ids) == text.replace("▁", " " if ours.vocab_size < 300 else "▁")
    decoder = ours.stream_decoder()
    assert "".join(map(decoder.push, ids)) + decoder.flush() == ours.decode(ids)


@given(
    parts=st.lists(st.sampled_from([*CONTROL, "<s>", "</s>", "<|", "im", "_end", "|>", "<", "s"]))
)
def test_text_never_becomes_a_control_token(
    pair: tuple[Tokenizer, tokenizers.Tokenizer], parts: list[str]
) -> None:
    ours, _ = pair
    text = "".join(parts)
    ids = ours.encode(text)
    assert ours.control_ids.isdisjoint(ids)
    assert ours.decode(ids) == text


def test_a_vocabulary_that_spells_a_control_token_gets_it_in_parts(tmp_path: Path) -> None:
    vocabulary = {"<": 0, "s": 1, ">": 2, "<s": 3, "s>": 4, "<s>": 5}
    merges = [("<", "s"), ("<s", ">"), ("s", ">")]
    bpe = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens([AddedToken("<s>")])
    ours = load_folder_tokenizer(save(tmp_path, bpe))
    ids = ours.encode("s<s>s")
    assert 5 not in ids
    assert ours.decode(ids) == "s<s>s"


def test_an_added_token_that_is_no_control_token_is_text(tmp_path: Path) -> None:
    bpe = train_byte_level()
    ours = load_folder_tokenizer(save(tmp_path, bpe))
    ids = ours.encode("a<think>")
    assert ids[-1] == bpe.token_to_id("<think>")
    assert ours.decode(ids) == "a<think>"


def test_an_opening_token_that_does_not_exist_is_left_out(tmp_path: Path) -> None:
    bpe = train_byte_level()
    content = bpe.to_str().replace('"SpecialToken":{"id":"<|begin|>"', '"SpecialToken":{"id":"?"')
    assert content != bpe.to_str()
    (tmp_path / "tokenizer.json").write_text(content)
    assert load_folder_tokenizer(tmp_path).opening_ids == ()


def test_rules_in_a_row_open_a_prompt_too(tmp_path: Path) -> None:
    bpe = train_byte_level()
    rules = [processors.ByteLevel(trim_offsets=False), bpe.post_processor]
    bpe.post_processor = processors.Sequence(rules)
    assert load_folder_tokenizer(save(tmp_path, bpe)).opening_ids == (0,)


def test_what_opens_a_prompt_is_known(tmp_path: Path) -> None:
    ours = load_folder_tokenizer(save(tmp_path, train_byte_level()))
    assert ours.opening_ids == (0,)
    assert ours.control_ids == {0, 1, 2}


@pytest.mark.parametrize(
    "settings",
    [
        {"chat_template": TEMPLATE},
        {
            "chat_template": [
                {"name": "tools", "template": "{{ 1 }}"},
                {"name": "default", "template": TEMPLATE},
            ]
        },
    ],
)
def test_the_template_is_found_wherever_it_is_kept(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    written = load_folder_tokenizer(save(tmp_path, train_byte_level(), **settings))
    chat = [Message("user", "hello <|im_end|>")]
    ids = written.render_chat(chat)
    assert [i for i in ids if i in written.control_ids] == [1, 2, 1]

    (tmp_path / "chat_template.jinja").write_text("{{ eos_token }}{{ messages[0]['content'] }}")
    settings = settings | {"eos_token": {"content": "<|im_end|>", "lstrip": False}}
    beside = load_folder_tokenizer(save(tmp_path, train_byte_level(), **settings))
    assert beside.render_chat(chat) == [2, *beside.encode("hello <|im_end|>")]


def test_a_base_model_says_that_it_has_no_template(tmp_path: Path) -> None:
    ours = load_folder_tokenizer(save(tmp_path, train_byte_level()))
    with pytest.raises(ChatTemplateError, match="no chat template"):
        ours.render_chat([Message("user", "hello")])


def test_ids_that_end_a_turn_come_from_every_file(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": 5}))
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [6, 7]}))
    assert load_folder_tokenizer(save(tmp_path, train_byte_level())).stop_ids == {2, 5, 6, 7}


def test_an_id_without_a_token_has_no_bytes(tmp_path: Path) -> None:
    ours = load_folder_tokenizer(save(tmp_path, train_byte_level()))
    assert ours.token_bytes(10**6) == b""
    assert ours.decode([10**6, *ours.encode("hi")]) == "hi"


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"model": {"type": "BPE"}}', "\x00"])
def test_a_damaged_tokenizer_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(WeightsFileError, match=r"tokenizer\.json is damaged"):
        load_folder_tokenizer(tmp_path)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 2**16), value=st.integers(0, 127), length=st.integers(0, 2**17))
def test_a_changed_tokenizer_is_read_or_refused_but_never_crashes(
    tmp_path: Path, position: int, value: int, length: int
) -> None:
    content = bytearray(build_sentencepiece().to_str().encode())
    content[position % len(content)] = value
    (tmp_path / "tokenizer.json").write_bytes(content[: length % (3 * len(content))])
    try:
        tokenizer = load_folder_tokenizer(tmp_path)
        assert tokenizer.control_ids.isdisjoint(tokenizer.encode("hello <s>"))
    except EngineError as error:
        assert str(error)  # noqa: PT017  most changes are harmless: nothing needs to be raised


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsFileError, match=r"no tokenizer\.json"):
        load_folder_tokenizer(tmp_path)


def test_another_decoder_is_named(tmp_path: Path) -> None:
    bpe = train_byte_level()
    bpe.decoder = decoders.WordPiece()
    with pytest.raises(UnsupportedModelError, match="WordPiece"):
        load_folder_tokenizer(save(tmp_path, bpe))
