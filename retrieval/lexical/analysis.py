"""Text to the terms that the lexical index holds and searches. Pure; knows no query syntax.

A chunk is analysed twice: into stems of its language, and into whole words as they stand (folded),
so that `X-200/b` and names are found as themselves. A question is analysed in every way; what its
own language's stemmer makes of it matches nothing by accident in the other's field.
"""

import functools
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tantivy import Filter, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

EXACT: Final = "exact"
STEMMED: Final = ("en", "es")
FIELDS: Final = (*STEMMED, EXACT)

_MAX_TERM_BYTES: Final = 120
_STEMMERS: Final = {"en": "english", "es": "spanish"}
# Words with what joins them inside: `x-200/b`, `example.org`, `o'neill`.
_WHOLE_WORD: Final = r"[\p{L}\p{N}_]+(?:[-./:@#+&'\u2019][\p{L}\p{N}_]+)*"


@dataclass(frozen=True, slots=True)
class QueryTerms:
    """What to look for in each field, each term once. Empty where the text has no words."""

    by_field: Mapping[str, Sequence[str]]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to look for."""
        return not any(self.by_field.values())


def field_of(language: str | None) -> str:
    """The field for stems of a text in this language.

    What is neither English nor Spanish goes through the English stemmer: the same words are cut to
    the same stems in text and question, which is all that a search needs.
    """
    return language if language in STEMMED else "en"


def prepare(text: str) -> str:
    """One spelling for what looks the same: composed accents, no compatibility forms."""
    return unicodedata.normalize("NFKC", text)


def query_terms(query: str) -> QueryTerms:
    """Analyse a question. Words of the grammar are left out, unless nothing else is there."""
    text = prepare(query)
    return QueryTerms({field: _telling_terms(field, text) for field in FIELDS})


def telling_words(text: str, language: str | None) -> list[str]:
    """The words of a text in small letters, without those of the grammar."""
    return _speller(language if language in STEMMED else None).analyze(prepare(text))


def stem(word: str, language: str | None) -> str:
    """What a word in small letters has in common with its other forms; itself where that is all."""
    found = _analyser(field_of(language), stopwords=False).analyze(word)
    return found[0] if found else word


def build_analysers() -> dict[str, TextAnalyzer]:
    """The analysers of an index, by the names that its schema uses."""
    return {field: _analyser(field, stopwords=False) for field in FIELDS}


def _telling_terms(field: str, text: str) -> tuple[str, ...]:
    telling = _analyser(field, stopwords=True).analyze(text)
    return tuple(dict.fromkeys(telling or _analyser(field, stopwords=False).analyze(text)))


@functools.cache
def _speller(language: str | None) -> TextAnalyzer:
    without = STEMMED if language is None else (language,)
    return _builder(Tokenizer.simple(), without=without).build()


@functools.cache
def _analyser(field: str, *, stopwords: bool) -> TextAnalyzer:
    tokenizer = Tokenizer.regex(_WHOLE_WORD) if field == EXACT else Tokenizer.simple()
    grammars = STEMMED if field == EXACT else (field,)
    builder = _builder(tokenizer, without=grammars if stopwords else ())
    builder = builder.filter(Filter.ascii_fold())
    if field in _STEMMERS:
        builder = builder.filter(Filter.stemmer(_STEMMERS[field]))
    return builder.build()


def _builder(tokenizer: Tokenizer, *, without: Sequence[str]) -> TextAnalyzerBuilder:
    """Words in small letters, without those of the grammar of some languages."""
    builder = TextAnalyzerBuilder(tokenizer)
    builder = builder.filter(Filter.remove_long(_MAX_TERM_BYTES)).filter(Filter.lowercase())
    for language in without:
        builder = builder.filter(Filter.stopword(_STEMMERS[language]))
    return builder
