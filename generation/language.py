"""The language of a question: English or Spanish, whichever is likelier. Never fails."""

from functools import cache
from typing import Literal

from py3langid.langid import MODEL_FILE, LanguageIdentifier

Language = Literal["en", "es"]


def question_language(text: str) -> Language:
    """Tell Spanish from English; text without letters counts as English."""
    # only at the beginning: English questions name El Niño, or ask what "¿Qué tal?" means
    if text.lstrip().startswith(("¿", "¡")):
        return "es"
    code, _score = _identifier().classify(text)
    return "es" if code == "es" else "en"


@cache
def _identifier() -> LanguageIdentifier:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    identifier.set_languages(["en", "es"])
    return identifier
