"""The language of a text, by py3langid. Says nothing where it is not sure."""

import functools
from typing import Final

from py3langid.langid import MODEL_FILE, LanguageIdentifier

_SAMPLE_CHARS: Final = 4_000
_MIN_LETTERS: Final = 24
_MIN_PASSAGE_LETTERS: Final = 120
_MIN_PROBABILITY: Final = 0.8
_NO_LANGUAGE: Final = "zxx"  # tables of figures, codes


def detect_language(text: str) -> str | None:
    """ISO 639-1 code of the language, judged from the middle of the text; None when unsure.

    The middle: title pages and tables of contents stand at the beginning.
    """
    start = max(0, (len(text) - _SAMPLE_CHARS) // 2)
    sample = text[start : start + _SAMPLE_CHARS]
    if sum(char.isalpha() for char in sample) < _MIN_LETTERS:
        return None
    code, probability = _identifier().classify(sample)
    sure = probability >= _MIN_PROBABILITY and code != _NO_LANGUAGE
    return str(code) if sure else None


def detect_passage_language(text: str, *, document: str | None) -> str | None:
    """The language of a part of a document; the document's, unless it is long enough to differ."""
    if sum(char.isalpha() for char in text) < _MIN_PASSAGE_LETTERS:
        return document
    return detect_language(text) or document


@functools.cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
