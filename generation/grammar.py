"""Hold a model to a grammar: JSON, regular expressions, choices. Masks come from llguidance.

A `Grammars` knows one tokenizer; it compiles a grammar, and each sequence takes a constraint from
that. A bad or unreasonable grammar is refused when compiled, never found out in the engine's loop,
save one that only grows too complex as the text goes on: its constraint raises then.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import torch
from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper
from torch import Tensor

from generation.engine.errors import EngineError

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions  # its stubs alone have it

MAX_SCHEMA_BYTES: Final = 65_536
MAX_REGEX_BYTES: Final = 8_192
MAX_CHOICES: Final = 1_000
MAX_CHOICES_BYTES: Final = 65_536
_MAX_MESSAGE: Final = 300
# As `json.dumps` lays it out. One layout forces most of the syntax, which then costs no computing,
# and a small model cannot lose itself in white space. An unknown keyword is refused, not ignored;
# these come after what a schema itself may ask of the compiler under "x-guidance".
_LAYOUT: Final["JsonCompileOptions"] = {
    "item_separator": ", ",
    "key_separator": ": ",
    "whitespace_flexible": False,
    "lenient": False,
    "coerce_one_of": True,
}


class GrammarError(EngineError):
    """A grammar cannot be followed: malformed, beyond a limit, or allowing no text at all."""


class Vocabulary(Protocol):
    """What a grammar needs of a tokenizer; `Tokenizer` is one."""

    @property
    def vocab_size(self) -> int: ...

    @property
    def stop_ids(self) -> frozenset[int]: ...

    @property
    def control_ids(self) -> frozenset[int]: ...

    def token_bytes(self, token_id: int) -> bytes: ...

    def encode(self, text: str) -> list[int]: ...


class Grammars:
    """Compiles grammars for one tokenizer. Making one takes 0.1 s or more: keep it.

    vocab_size: the model's, where it is padded beyond the tokenizer's. Raises GrammarError where
    the tokenizer names no stop token: a finished text could not be ended.
    """

    def __init__(self, tokenizer: Vocabulary, *, vocab_size: int | None = None) -> None:
        if not tokenizer.stop_ids:
            raise GrammarError("the model names no stop token, which constrained output needs")
        self._vocab_size = vocab_size or tokenizer.vocab_size
        self._tokenizer = LLTokenizer(
            TokenizerWrapper(_RawTokens(tokenizer)),
            n_vocab=self._vocab_size,
            eos_token=sorted(tokenizer.stop_ids),
        )

    def json_object(self) -> "Grammar":
        """Any JSON object."""
        return self.json_schema({"type": "object"})

    def json_schema(self, schema: str | Mapping[str, object]) -> "Grammar":
        """JSON that a schema describes, laid out as by `json.dumps`. oneOf is taken as anyOf."""
        try:
            source = schema if isinstance(schema, str) else json.dumps(schema, allow_nan=False)
            _check_size("the JSON schema", source, MAX_SCHEMA_BYTES)
            grammar = LLMatcher.grammar_from_json_schema(source, overrides=_LAYOUT)
        except (TypeError, ValueError, RecursionError) as error:
            raise GrammarError(f"the JSON schema is not JSON: {_shorten(str(error))}") from error
        return self._compile("the JSON schema", grammar)

    def regex(self, pattern: str) -> "Grammar":
        """Text that the whole of a regular expression matches; no look-around, no references."""
        _check_size("the regular expression", pattern, MAX_REGEX_BYTES)
        return self._compile("the regular expression", LLMatcher.grammar_from_regex(pattern))

    def choice(self, texts: Sequence[str]) -> "Grammar":
        """Exactly one of `texts`."""
        if not 0 < len(texts) <= MAX_CHOICES:
            raise GrammarError(f"a choice is among 1 to {MAX_CHOICES} texts, got {len(texts)}")
        _check_size("the choice", "".join(texts), MAX_CHOICES_BYTES)
        # JSON leaves DEL as it is, the grammar's own notation does not take it
        quoted = [json.dumps(text).replace("\x7f", "\\u007f") for text in texts]
        source = "start: " + " | ".join(quoted)
        return self._compile("the choice", LLMatcher.grammar_from_lark(source))

    def _compile(self, what: str, source: str) -> "Grammar":
        matcher = LLMatcher(
            self._tokenizer,
            source,
            log_level=0,
            # a tenth of the defaults: schemas of 60 fields and 1,000 choices fit well, and the
            # worst pattern found takes 1 s and some megabytes, not 13 s and 450 MB
            limits=LLParserLimits(
                initial_lexer_fuel=100_000,
                step_lexer_fuel=50_000,
                max_lexer_states=20_000,
                verbose_errors=False,
            ),
        )
        _check_state(matcher, what)
        grammar = Grammar(matcher, self._vocab_size)
        _try_first_step(grammar, what)
        return grammar


@dataclass(frozen=True, slots=True)
class Grammar:
    """A compiled grammar. Calling it gives a fresh constraint: it serves as `build_constraint`."""

    _matcher: LLMatcher
    _vocab_size: int

    def __call__(self) -> "GrammarConstraint":
        return GrammarConstraint(self._matcher.deep_copy(), vocab_size=self._vocab_size)


class GrammarConstraint:
    """Where one sequence stands in its grammar.

    A stop token is allowed exactly where the text so far is complete. Any method raises
    GrammarError once the grammar has grown too complex to follow.
    """

    def __init__(self, matcher: LLMatcher, *, vocab_size: int) -> None:
        self._matcher = matcher
        self._vocab_size = vocab_size

    def forced(self) -> list[int]:
        """Tokens without alternative, where encoding the text could give no others."""
        tokens = self._matcher.compute_ff_tokens()
        _check_state(self._matcher, "the grammar")
        return tokens

    def mask(self) -> Tensor:
        """Booleans (V,)."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        _check_state(self._matcher, "the grammar")
        allowed = np.unpackbits(bits, count=self._vocab_size, bitorder="little")
        return torch.from_numpy(allowed.view(np.bool_))

    def advance(self, token: int) -> None:
        self._matcher.consume_token(token)
        _check_state(self._matcher, "the grammar")

    @property
    def is_finished(self) -> bool:
        return self._matcher.is_stopped()


class _RawTokens:
    """A tokenizer as llguidance wants it: the bytes of every token, and text to ids."""

    bos_token_id = None

    def __init__(self, tokenizer: Vocabulary) -> None:
        self._tokenizer = tokenizer
        self.eos_token_id = min(tokenizer.stop_ids)
        self.tokens = [tokenizer.token_bytes(token) for token in range(tokenizer.vocab_size)]
        # a token without text can be part of no grammar
        silent = {token for token, text in enumerate(self.tokens) if not text}
        self.special_token_ids = sorted(silent | tokenizer.control_ids)
        for token in self.special_token_ids:
            self.tokens[token] = b"<|%d|>" % token

    def __call__(self, text: str) -> Iterable[int]:
        return self._tokenizer.encode(text)


def _try_first_step(grammar: Grammar, what: str) -> None:
    """Find out here, not in the engine's loop, whether a grammar is too much."""
    trial = grammar()
    for token in trial.forced():
        trial.advance(token)
    if not trial.mask().any():
        raise GrammarError(f"{what} allows no text")


def _check_size(what: str, source: str, max_bytes: int) -> None:
    # a lone surrogate has no UTF-8 form; the compiler must not meet one
    try:
        size = len(source.encode())
    except UnicodeEncodeError as error:
        raise GrammarError(f"{what} is not valid Unicode: {error.reason}") from error
    if size > max_bytes:
        raise GrammarError(f"{what} has {size} bytes, at most {max_bytes} are accepted")


def _check_state(matcher: LLMatcher, what: str) -> None:
    if matcher.is_error():
        raise GrammarError(f"{what} cannot be followed: {_shorten(matcher.get_error())}")


def _shorten(message: str) -> str:
    line = " ".join(message.split())
    # what is wrong is said at the end, after the grammar itself
    return line if len(line) <= _MAX_MESSAGE else f"{line[:60]} ... {line[60 - _MAX_MESSAGE :]}"
