"""What is said when the documents do not answer: what was searched, and what was found nearest."""

from collections.abc import Sequence
from typing import Final

from core.types import Passage
from generation.language import Language, question_language
from generation.types import Answer, Sampling

_NUM_NEAREST: Final = 3
_TEXTS: Final[dict[Language, dict[str, str]]] = {
    "en": {
        "nothing": "There is nothing to answer from: no searchable document is in reach of this "
        "question.",
        "not_found": "I did not find the answer in your documents. I searched {count} passages; "
        "the nearest are in {nearest}.",
        "not_found_one": "I did not find the answer in your documents. I searched one passage, in "
        "{nearest}.",
        "page": "{name} (page {page})",
        "joint": " and ",
    },
    "es": {
        "nothing": "No hay de dónde responder: ningún documento está al alcance de esta pregunta.",
        "not_found": "No encontré la respuesta en tus documentos. Busqué en {count} pasajes; los "
        "más cercanos están en {nearest}.",
        "not_found_one": "No encontré la respuesta en tus documentos. Busqué en un solo pasaje, de "
        "{nearest}.",
        "page": "{name} (página {page})",
        "joint": " y ",
    },
}


def refuse(
    question: str,
    passages: Sequence[Passage],
    *,
    prompt: str,
    sampling: Sampling,
    confidence: float = 0.0,
) -> Answer:
    """A refusal in the language of the question. It cites nothing."""
    texts = _TEXTS[question_language(question)]
    return Answer(
        status="refused",
        text=_text(texts, passages),
        sentences=(),
        citations=(),
        confidence=confidence,
        prompt=prompt,
        sampling=sampling,
    )


def _text(texts: dict[str, str], passages: Sequence[Passage]) -> str:
    if not passages:
        return texts["nothing"]
    places = [
        texts["page"].format(name=passage.document_name, page=passage.page)
        if passage.page
        else passage.document_name
        for passage in passages
    ]
    nearest = list(dict.fromkeys(places))[:_NUM_NEAREST]
    listed = ", ".join(nearest[:-1])
    joined = listed + texts["joint"] + nearest[-1] if listed else nearest[-1]
    text = texts["not_found_one"] if len(passages) == 1 else texts["not_found"]
    return text.format(count=len(passages), nearest=joined)
