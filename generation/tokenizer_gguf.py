"""The tokenizer that a GGUF file describes. Refuses a kind or a split of text not known here."""

from collections.abc import Sequence
from typing import Final

from generation.chat_template import ChatTemplate
from generation.engine.errors import GgufError, UnsupportedModelError
from generation.engine.gguf_file import GgufFile
from generation.tokenizer import END_OF_TURN, Tokenizer
from generation.tokenizer_codecs import Codec, build_byte_level, build_sentencepiece

# llama.h, enum llama_token_type
_NORMAL: Final = 1
_UNKNOWN: Final = 2
_CONTROL: Final = 3
_USER_DEFINED: Final = 4
_UNUSED: Final = 5

# other names that converters give to splits known here
_ALIASES: Final = {
    "llama3": "llama-bpe",
    "llama-v3": "llama-bpe",
    "deepseek-r1-qwen": "qwen2",
}
# whether text begins with a beginning-of-text token where the file does not say
_OPENS_UNSAID: Final = frozenset({"llama", "llama-bpe"})


def load_gguf_tokenizer(file: GgufFile) -> Tokenizer:
    """Raises UnsupportedModelError for another kind than byte-level or SentencePiece BPE,
    WeightsFileError for a damaged one, ChatTemplateError for a template that does not parse.
    """
    kind = file.get_str("tokenizer.ggml.model")
    if kind not in ("gpt2", "llama"):
        raise UnsupportedModelError(
            f"{file.path.name} has a {kind!r} tokenizer; supported: gpt2, llama"
        )
    tokens = file.get_strings("tokenizer.ggml.tokens")
    types = file.get_ints("tokenizer.ggml.token_type")
    if len(types) != len(tokens):
        raise GgufError(f"{file.path.name} has {len(tokens)} tokens and {len(types)} token types")
    pre = file.get_str("tokenizer.ggml.pre", default="gpt-2")
    pre = _ALIASES.get(pre, pre)
    control = frozenset(i for i, kind in enumerate(types) if kind in (_CONTROL, _UNKNOWN))
    if kind == "gpt2":
        codec = _build_byte_level(file, tokens, types, pre)
    else:
        codec = _build_sentencepiece(file, tokens, types)
    source = file.get_str("tokenizer.chat_template", default="")
    return Tokenizer(
        codec,
        control_ids=control,
        stop_ids=_find_stop_ids(file, tokens, control),
        opening_ids=_find_opening(file, tokens, opens=(kind if kind == "llama" else pre)),
        template=_build_template(file, source, tokens) if source else None,
    )


def _build_byte_level(
    file: GgufFile, tokens: Sequence[str], types: Sequence[int], pre: str
) -> Codec:
    return build_byte_level(
        tokens,
        file.get_strings("tokenizer.ggml.merges"),
        pre=pre,
        hidden=_of_type(types, _CONTROL, _UNKNOWN, _UNUSED),
        verbatim=_of_type(types, _USER_DEFINED),
    )


def _build_sentencepiece(file: GgufFile, tokens: Sequence[str], types: Sequence[int]) -> Codec:
    spaced = file.metadata.get("tokenizer.ggml.add_space_prefix", True)
    return build_sentencepiece(
        tokens,
        mergeable=_of_type(types, _NORMAL),
        hidden=_of_type(types, _CONTROL, _UNKNOWN, _UNUSED),
        verbatim=_of_type(types, _USER_DEFINED),
        adds_space=bool(spaced),
    )


def _of_type(types: Sequence[int], *wanted: int) -> frozenset[int]:
    return frozenset(index for index, kind in enumerate(types) if kind in wanted)


def _find_stop_ids(
    file: GgufFile, tokens: Sequence[str], control: frozenset[int]
) -> frozenset[int]:
    keys = ("tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id")
    named = {file.get_int(key) for key in keys if key in file.metadata}
    return frozenset(named | {i for i in control if tokens[i] in END_OF_TURN})


def _find_opening(file: GgufFile, tokens: Sequence[str], *, opens: str) -> tuple[int, ...]:
    said = file.metadata.get("tokenizer.ggml.add_bos_token", opens in _OPENS_UNSAID)
    first = file.get_int("tokenizer.ggml.bos_token_id", default=-1)
    return (first,) if said and 0 <= first < len(tokens) else ()


def _build_template(file: GgufFile, source: str, tokens: Sequence[str]) -> ChatTemplate:
    def token_named(key: str) -> str:
        index = file.get_int(key, default=-1)
        return tokens[index] if 0 <= index < len(tokens) else ""

    return ChatTemplate(
        source,
        bos_token=token_named("tokenizer.ggml.bos_token_id"),
        eos_token=token_named("tokenizer.ggml.eos_token_id"),
    )
