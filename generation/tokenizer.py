"""Text to token ids and back, by a GGUF file's vocabulary. Text never becomes a control token.

Control tokens (end of turn, start of turn...) enter a prompt only where the chat template writes
them: "<|im_end|>" in a question or a document is encoded as those characters.
"""

import codecs
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import tokenizers
from tokenizers import models, pre_tokenizers

from generation.chat_template import ChatTemplate
from generation.engine.errors import GgufError, UnsupportedModelError
from generation.engine.gguf_file import GgufFile
from generation.types import Message

_CONTROL: Final = 3  # llama.h, enum llama_token_type
_USER_DEFINED: Final = 4
# how a chat model may end its turn, beside the ids its file names
_END_OF_TURN: Final = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>")


def _split_digits() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )


def _split_gpt2() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.ByteLevel(add_prefix_space=False)


# `tokenizer.ggml.pre` names how text is split before merging; a wrong one silently gives wrong ids
_PRE_TOKENIZERS: Final[dict[str, Callable[[], pre_tokenizers.PreTokenizer]]] = {
    "smollm": _split_digits,
    "gpt-2": _split_gpt2,
}


class Tokenizer:
    """Byte-level BPE. Encoding and decoding are inverse for any text that is valid Unicode."""

    def __init__(
        self,
        tokens: Sequence[str],
        merges: Sequence[str],
        *,
        pre: str,
        control_ids: frozenset[int],
        stop_ids: frozenset[int] = frozenset(),
        template: ChatTemplate | None = None,
    ) -> None:
        if pre not in _PRE_TOKENIZERS:
            raise UnsupportedModelError(
                f"the file splits text by {pre!r}; supported: {', '.join(_PRE_TOKENIZERS)}"
            )
        self._tokens = tokens
        self._control_ids = control_ids
        self._control_of = {tokens[token_id]: token_id for token_id in control_ids}
        self._stop_ids = stop_ids
        self._template = template
        vocabulary = {token: index for index, token in enumerate(tokens)}
        pairs = [_split_merge(merge) for merge in merges]
        self._bpe = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))
        self._bpe.pre_tokenizer = _PRE_TOKENIZERS[pre]()

    @property
    def vocab_size(self) -> int:
        return len(self._tokens)

    @property
    def control_ids(self) -> frozenset[int]:
        return self._control_ids

    @property
    def control_tokens(self) -> Mapping[str, int]:
        """How every control token is written in a chat template, and its id."""
        return self._control_of

    @property
    def stop_ids(self) -> frozenset[int]:
        """Ids that end a turn; pass them as `SamplingParams.stop_ids`."""
        return self._stop_ids

    def encode(self, text: str) -> list[int]:
        """Plain text to ids: never a control token, whatever the text says."""
        # a lone surrogate (JSON allows "\\ud800") has no UTF-8 form; it becomes a question mark
        sound = text.encode("utf-8", errors="replace").decode("utf-8")
        return list(self._bpe.encode(sound, add_special_tokens=False).ids)

    def decode(self, ids: Iterable[int]) -> str:
        """Ids to text; control tokens are left out, bytes that are not UTF-8 become U+FFFD."""
        return b"".join(map(self.token_bytes, ids)).decode("utf-8", errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes a token stands for; none for a control token."""
        if token_id in self._control_ids:
            return b""
        return bytes(_BYTE_OF[char] for char in self._tokens[token_id])

    def stream_decoder(self) -> "StreamDecoder":
        return StreamDecoder(self)

    def render_chat(
        self, messages: Sequence[Message], *, add_generation_prompt: bool = True
    ) -> list[int]:
        """The prompt for a conversation, in the file's own chat template.

        Raises ChatTemplateError when the file has no template or it refuses the messages.
        """
        if self._template is None:
            raise UnsupportedModelError("the model file has no chat template; use a chat model")
        pieces = self._template.render(
            messages,
            control_tokens=self._control_of.keys(),
            add_generation_prompt=add_generation_prompt,
        )
        ids: list[int] = []
        for piece in pieces:
            ids += [self._control_of[piece.text]] if piece.is_control else self.encode(piece.text)
        return ids


class StreamDecoder:
    """Ids to text as they come. A character is held back until its last byte has arrived."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token_id: int) -> str:
        return self._utf8.decode(self._tokenizer.token_bytes(token_id))

    def flush(self) -> str:
        """What is left at the end: U+FFFD for a character that was never completed."""
        return self._utf8.decode(b"", final=True)


def load_tokenizer(file: GgufFile) -> Tokenizer:
    """Build the tokenizer that a GGUF file describes.

    Raises UnsupportedModelError for another kind than byte-level BPE, GgufError for a damaged one.
    """
    kind = file.get_str("tokenizer.ggml.model")
    if kind != "gpt2":
        raise UnsupportedModelError(f"{file.path.name} has a {kind!r} tokenizer; supported: gpt2")
    tokens = file.get_strings("tokenizer.ggml.tokens")
    types = file.get_ints("tokenizer.ggml.token_type")
    if len(types) != len(tokens):
        raise GgufError(f"{file.path.name} has {len(tokens)} tokens and {len(types)} token types")
    special = frozenset(i for i, kind in enumerate(types) if kind in (_CONTROL, _USER_DEFINED))
    source = file.get_str("tokenizer.chat_template", default="")
    return Tokenizer(
        tokens,
        file.get_strings("tokenizer.ggml.merges"),
        pre=file.get_str("tokenizer.ggml.pre", default="gpt-2"),
        control_ids=special,
        stop_ids=_find_stop_ids(file, tokens, special),
        template=_build_template(file, source, tokens) if source else None,
    )


def _find_stop_ids(
    file: GgufFile, tokens: Sequence[str], special: frozenset[int]
) -> frozenset[int]:
    keys = ("tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id")
    named = {file.get_int(key) for key in keys if key in file.metadata}
    return frozenset(named | {i for i in special if tokens[i] in _END_OF_TURN})


def _build_template(file: GgufFile, source: str, tokens: Sequence[str]) -> ChatTemplate:
    def token_named(key: str) -> str:
        index = file.get_int(key, default=-1)
        return tokens[index] if 0 <= index < len(tokens) else ""

    return ChatTemplate(
        source,
        bos_token=token_named("tokenizer.ggml.bos_token_id"),
        eos_token=token_named("tokenizer.ggml.eos_token_id"),
    )


def _split_merge(merge: str) -> tuple[str, str]:
    left, _, right = merge.partition(" ")
    if not left or not right:
        raise GgufError(f"the tokenizer has a merge of one part: {merge!r}; fetch the file again")
    return left, right


def _build_byte_table() -> dict[str, int]:
    """GPT-2's printable stand-in for every byte, as in `bytes_to_unicode` of its encoder.py."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    table = {chr(byte): byte for byte in printable}
    return table | {chr(256 + index): byte for index, byte in enumerate(others)}


_BYTE_OF: Final = _build_byte_table()
