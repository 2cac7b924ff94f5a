"""What the output must look like, and the constraint that holds the model to it."""

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final, Literal

from generation.choices import ChoiceConstraint, Path, runs, whole
from generation.engine.sequence import TokenConstraint
from generation.grammar import Grammar, GrammarError, Grammars
from generation.tokenizer import Tokenizer

_MAX_COMPILED: Final = 32
_ANY_OBJECT: Final = '{"type": "object"}'


@dataclass(frozen=True, slots=True)
class AnyText:
    """No constraint."""


@dataclass(frozen=True, slots=True)
class JsonObject:
    """Any JSON object."""


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """JSON that a schema describes."""

    schema: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Regex:
    """Text that a regular expression matches as a whole."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these texts; the model says which."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """Whole words of one of these texts, as they stand there; the model says from where to where.

    No word is cut for a limit of tokens: a span that is longer cannot be written.
    """

    texts: tuple[str, ...]


OutputFormat = AnyText | JsonObject | JsonSchema | Regex | Choice | Span


BuildConstraint = Callable[[], TokenConstraint]


class OutputFormats:
    """Makes constraints for one tokenizer. Thread-safe; grammars cost nothing until one is used.

    vocab_size: the model's, which may be padded beyond the tokenizer's.
    """

    def __init__(self, tokenizer: Tokenizer, *, vocab_size: int) -> None:
        self._tokenizer = tokenizer
        self._vocab_size = vocab_size
        self._lock = threading.Lock()
        self._grammars: Grammars | None = None
        # callers send the same few schemas again and again
        self._compile = lru_cache(_MAX_COMPILED)(self._compile_anew)

    def constrain(
        self, output: OutputFormat, *, max_tokens: int | None = None
    ) -> BuildConstraint | None:
        """What gives every sample a constraint of its own; None where there is none.

        Raises GrammarError for a schema or pattern that cannot be followed.
        """
        match output:
            case AnyText():
                return None
            case Choice(texts):
                return self._follow([whole(text, self._tokenizer) for text in texts])
            case Span(texts):
                return self._follow(
                    path
                    for text in dict.fromkeys(texts)
                    for path in runs(text, self._tokenizer, max_tokens=max_tokens)
                )
            case JsonObject():
                return self._compile("json", _ANY_OBJECT)
            case JsonSchema(schema):
                return self._compile("json", _to_json(schema))
            case Regex(pattern):
                return self._compile("regex", pattern)

    def _follow(self, paths: Iterable[Path]) -> BuildConstraint:
        stop_ids = self._tokenizer.stop_ids
        if not stop_ids:
            raise GrammarError("the model names no stop token, which a choice of texts needs")
        return partial(
            ChoiceConstraint, list(paths), stop_ids=stop_ids, vocab_size=self._vocab_size
        )

    def _compile_anew(self, kind: Literal["json", "regex"], source: str) -> Grammar:
        grammars = self._get_grammars()
        return grammars.regex(source) if kind == "regex" else grammars.json_schema(source)

    def _get_grammars(self) -> Grammars:
        with self._lock:
            if self._grammars is None:
                self._grammars = Grammars(self._tokenizer, vocab_size=self._vocab_size)
            return self._grammars


def _to_json(schema: Mapping[str, object]) -> str:
    try:
        return json.dumps(schema, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise GrammarError(f"the JSON schema is not JSON: {error}") from error
