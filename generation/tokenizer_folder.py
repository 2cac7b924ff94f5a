"""The tokenizer of a checkpoint folder: tokenizer.json, its settings and its chat template.

Refuses a folder without tokenizer.json (a SentencePiece model alone is not read) and a decoder that
is neither byte-level nor SentencePiece's.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import tokenizers

from generation.chat_template import ChatTemplate
from generation.engine.errors import UnsupportedModelError, WeightsFileError
from generation.engine.json_fields import JsonFields, load_json
from generation.tokenizer import END_OF_TURN, Tokenizer
from generation.tokenizer_codecs import Codec, spell_byte_level, spell_sentencepiece

# the largest in use, Gemma's, has 33 megabytes
_MAX_TOKENIZER_BYTES: Final = 256 << 20
_MAX_TOKEN_ID: Final = 1 << 24


def load_folder_tokenizer(folder: Path) -> Tokenizer:
    """Raises WeightsFileError for a missing or damaged file, UnsupportedModelError for another
    decoder, ChatTemplateError for a template that does not parse.
    """
    bpe = _load_tokenizer_json(folder / "tokenizer.json")
    added = bpe.get_added_tokens_decoder()
    control = frozenset(index for index, token in added.items() if token.special)
    codec = _build_codec(bpe, verbatim=frozenset(added) - control)
    settings = _load_optional(folder / "tokenizer_config.json")
    return Tokenizer(
        codec,
        control_ids=control,
        stop_ids=_find_stop_ids(folder, codec, control),
        opening_ids=_find_opening(bpe, control),
        template=_load_template(folder, settings),
    )


def _load_tokenizer_json(path: Path) -> tokenizers.Tokenizer:
    if not path.is_file():
        raise WeightsFileError(
            f"{path.parent.name} has no tokenizer.json; save the folder with a fast tokenizer"
        )
    if (size := path.stat().st_size) > _MAX_TOKENIZER_BYTES:
        raise WeightsFileError(f"{path.name} has {size} bytes; at most {_MAX_TOKENIZER_BYTES}")
    try:
        bpe = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the package raises nothing narrower
        raise WeightsFileError(f"{path.name} is damaged: {error}; fetch it again") from error
    bpe.no_truncation()
    bpe.no_padding()
    bpe.encode_special_tokens = True  # special tokens in a text are text
    return bpe


def _build_codec(bpe: tokenizers.Tokenizer, *, verbatim: frozenset[int]) -> Codec:
    tokens = _list_tokens(bpe.get_vocab(with_added_tokens=True))
    steps = list(_list_steps(json.loads(bpe.decoder.__getstate__()) if bpe.decoder else {}))
    kinds = [step.get("type") for step in steps]
    if kinds == ["ByteLevel"]:
        return Codec(bpe, tokens, verbatim, spell_byte_level)
    if "ByteFallback" in kinds or kinds == ["Metaspace"]:
        spaced = any(
            step.get("type") == "Strip" or step.get("prepend_scheme") in ("always", "first")
            for step in steps
        )
        return Codec(bpe, tokens, verbatim, spell_sentencepiece, adds_space=spaced)
    raise UnsupportedModelError(
        f"tokenizer.json decodes by {kinds}; supported: ByteLevel, ByteFallback, Metaspace"
    )


def _list_tokens(vocabulary: Mapping[str, int]) -> list[str]:
    last = max(vocabulary.values(), default=-1)
    if last > _MAX_TOKEN_ID:
        raise WeightsFileError(f"tokenizer.json has the token id {last}; fetch it again")
    tokens = [""] * (last + 1)
    for token, index in vocabulary.items():
        tokens[index] = token
    return tokens


def _list_steps(decoder: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    inner = decoder.get("decoders")
    if decoder.get("type") == "Sequence" and isinstance(inner, list):
        yield from inner
    elif decoder:
        yield decoder


def _find_stop_ids(folder: Path, codec: Codec, control: frozenset[int]) -> frozenset[int]:
    named: set[int] = set()
    for name in ("generation_config.json", "config.json"):
        named.update(_load_optional(folder / name).get_ints("eos_token_id"))
    return frozenset(named | {i for i in control if codec.tokens[i] in END_OF_TURN})


def _find_opening(bpe: tokenizers.Tokenizer, control: frozenset[int]) -> tuple[int, ...]:
    """The control tokens that the tokenizer's own rules put before a text.

    Read, not run: the package ends the process's thread on rules that name a missing token.
    """
    if bpe.post_processor is None:
        return ()
    rules = json.loads(bpe.post_processor.__getstate__())
    opening: list[int] = []
    for rule in rules.get("processors", [rules]):
        for piece in rule.get("single", ()):
            if "SpecialToken" not in piece:
                break
            token_id = bpe.token_to_id(piece["SpecialToken"]["id"])
            if token_id in control:
                opening.append(token_id)
    return tuple(opening)


def _load_template(folder: Path, settings: JsonFields) -> ChatTemplate | None:
    source = _read_template(folder, settings)
    if not source:
        return None
    return ChatTemplate(
        source,
        bos_token=_read_token(settings, "bos_token"),
        eos_token=_read_token(settings, "eos_token"),
    )


def _read_template(folder: Path, settings: JsonFields) -> str:
    path = folder / "chat_template.jinja"
    if path.is_file():
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise WeightsFileError(f"{path.name} is not UTF-8; fetch it again") from error
    if not settings.is_list("chat_template"):
        return settings.get_str("chat_template", default="")
    # several, by name: for chat, for tools, for retrieval
    named = settings.get_objects("chat_template")
    sources = {one.get_str("name"): one.get_str("template") for one in named}
    return sources.get("default", "")


def _read_token(settings: JsonFields, key: str) -> str:
    if settings.is_object(key):  # with how it is matched, which does not matter here
        return settings.get_object(key).get_str("content", default="")
    return settings.get_str(key, default="")


def _load_optional(path: Path) -> JsonFields:
    return load_json(path) if path.is_file() else JsonFields({}, name=path.name)
