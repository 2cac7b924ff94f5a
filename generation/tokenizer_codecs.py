"""Ways to cut text into tokens, built from vocabularies and merges. Knows no files, no templates.

Two kinds serve every model here: byte-level BPE (GPT-2 and what came after), where a token is
spelt in stand-ins for bytes; and SentencePiece's BPE (Llama 2, Gemma), where spaces are "▁" and a
character without a token falls back to its bytes.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import tokenizers
from tokenizers import AddedToken, Regex, models, normalizers, pre_tokenizers

from generation.engine.errors import UnsupportedModelError, WeightsFileError

SPACE: Final = "▁"  # SentencePiece's stand-in
_MAX_TOKEN_CHARS: Final = 1024  # the work of finding a token's parts grows with the square
_BYTE_TOKEN: Final = re.compile(r"<0x([0-9A-Fa-f]{2})>")


@dataclass(frozen=True, slots=True)
class Codec:
    """Text to ids and ids to bytes. Control tokens are none of its business.

    tokens: by id. verbatim: ids that stand for their own text. adds_space: encoding puts a space
    before the text, which decoding must drop.
    """

    bpe: tokenizers.Tokenizer
    tokens: Sequence[str]
    verbatim: frozenset[int]
    spell: Callable[[str], bytes]
    adds_space: bool = False

    def encode(self, text: str) -> list[int]:
        return list(self.bpe.encode(text, add_special_tokens=False).ids)

    def token_bytes(self, token_id: int) -> bytes:
        """None for an id outside the vocabulary: models have rows to spare."""
        if not 0 <= token_id < len(self.tokens):
            return b""
        token = self.tokens[token_id]
        return token.encode("utf-8") if token_id in self.verbatim else self.spell(token)


def build_byte_level(
    tokens: Sequence[str],
    merges: Sequence[str],
    *,
    pre: str,
    hidden: Collection[int],
    verbatim: frozenset[int] = frozenset(),
) -> Codec:
    """`pre` names how text is split before merging; `hidden` ids are never made from text.

    Raises UnsupportedModelError for another split, WeightsFileError for merges that do not fit.
    """
    if pre not in _SPLITS:
        raise UnsupportedModelError(
            f"the file splits text by {pre!r}; supported: {', '.join(_SPLITS)}"
        )
    vocabulary = _index(tokens, hidden)
    every = frozenset(tokens)
    pairs = [pair for merge in merges if (pair := _split_merge(merge, vocabulary, every))]
    model = models.BPE(vocab=vocabulary, merges=pairs, ignore_merges=pre in _WHOLE_WORDS_FIRST)
    bpe = tokenizers.Tokenizer(model)
    bpe.pre_tokenizer = _SPLITS[pre]()
    _add_verbatim(bpe, tokens, verbatim)
    return Codec(bpe, tokens, verbatim, spell_byte_level)


def build_sentencepiece(
    tokens: Sequence[str],
    *,
    mergeable: Collection[int],
    hidden: Collection[int],
    verbatim: frozenset[int] = frozenset(),
    adds_space: bool,
) -> Codec:
    """SentencePiece keeps no merges: any two neighbours whose joint is a token merge, the token
    with the lowest id first. `mergeable` ids are those that merging may make.
    """
    vocabulary = _index(tokens, hidden)
    usable = {tokens[index]: index for index in mergeable}
    merges = list(_rebuild_merges(usable))
    bpe = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=merges, byte_fallback=True))
    spaces = normalizers.Replace(" ", SPACE)
    prepend = [normalizers.Prepend(SPACE)] if adds_space else []
    bpe.normalizer = normalizers.Sequence([*prepend, spaces])
    _add_verbatim(bpe, tokens, verbatim)
    return Codec(bpe, tokens, verbatim, spell_sentencepiece, adds_space)


def spell_byte_level(token: str) -> bytes:
    try:
        return bytes(_BYTE_OF[char] for char in token)
    except KeyError:  # no stand-in: text as it is
        return token.encode("utf-8", errors="replace")


def spell_sentencepiece(token: str) -> bytes:
    if match := _BYTE_TOKEN.fullmatch(token):
        return bytes.fromhex(match[1])
    return token.replace(SPACE, " ").encode("utf-8", errors="replace")


def _index(tokens: Sequence[str], hidden: Collection[int]) -> dict[str, int]:
    """Ids of the tokens that text can become; the lowest where two are spelt alike."""
    return {tokens[index]: index for index in reversed(range(len(tokens))) if index not in hidden}


def _split_merge(
    merge: str, vocabulary: Mapping[str, int], every: frozenset[str]
) -> tuple[str, str] | None:
    left, _, right = merge.partition(" ")
    if not left or not right:
        raise WeightsFileError(
            f"the tokenizer has a merge of one part: {merge!r}; fetch the file again"
        )
    if left in vocabulary and right in vocabulary and left + right in vocabulary:
        return left, right
    if every >= {left, right, left + right}:
        return None  # it would make a control token
    raise WeightsFileError(
        f"the tokenizer merges {merge!r}, which is not in its vocabulary; fetch the file again"
    )


def _rebuild_merges(usable: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    for token in sorted(usable, key=usable.__getitem__):
        if len(token) > _MAX_TOKEN_CHARS:
            raise WeightsFileError(
                f"the tokenizer has a token of {len(token)} characters; fetch the file again"
            )
        pairs = []
        for at in range(1, len(token)):  # over a million times: written out to be quick
            left = token[:at]
            if left in usable and (right := token[at:]) in usable:
                pairs.append((left, right))
        if len(pairs) > 1:
            pairs.sort(key=lambda pair: (usable[pair[0]], usable[pair[1]]))
        yield from pairs


def _add_verbatim(
    bpe: tokenizers.Tokenizer, tokens: Sequence[str], verbatim: Collection[int]
) -> None:
    """Found in text before any splitting, the longest first."""
    bpe.add_tokens(
        [AddedToken(tokens[index], normalized=False) for index in sorted(verbatim) if tokens[index]]
    )


def _split_digits() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )


def _split_gpt2() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.ByteLevel(add_prefix_space=False)


def _split_words(max_digits: str) -> Callable[[], pre_tokenizers.PreTokenizer]:
    """tiktoken's pattern for cl100k, with as many digits together as the model takes."""
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + max_digits
        + r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )  # fmt: skip

    def build() -> pre_tokenizers.PreTokenizer:
        return pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )

    return build


# `tokenizer.ggml.pre` names how text is split before merging; a wrong one silently gives wrong ids
_SPLITS: Final[Mapping[str, Callable[[], pre_tokenizers.PreTokenizer]]] = {
    "smollm": _split_digits,
    "gpt-2": _split_gpt2,
    "llama-bpe": _split_words("{1,3}"),
    "qwen2": _split_words(""),
}
# a word that is a token is that token, whatever its merges say
_WHOLE_WORDS_FIRST: Final = ("llama-bpe",)


def _build_byte_table() -> dict[str, int]:
    """GPT-2's printable stand-in for every byte, as in `bytes_to_unicode` of its encoder.py."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    table = {chr(byte): byte for byte in printable}
    return table | {chr(256 + index): byte for index, byte in enumerate(others)}


_BYTE_OF: Final = _build_byte_table()
