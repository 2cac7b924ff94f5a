"""What a judged answer can teach others: a question, a passage, an answer. Asks no database."""

from dataclasses import dataclass
from typing import Final

from app.answers import StoredAnswer
from app.feedback import Opinion, place_in_words
from core.redaction import Response, Source, borrowed_sources, sources_of
from generation.language import Language, question_language

# Of an answer that cites more, the first ones show the way well enough.
_MAX_PASSAGES: Final = 2


@dataclass(frozen=True, slots=True)
class ExampleWords:
    """An example's words. `held`: every version that they are from."""

    language: Language
    question: str
    passage: str
    source: str
    answer: str
    held: frozenset[Source]


def words_of(stored: StoredAnswer, opinion: Opinion) -> ExampleWords | None:
    """The example that a judged answer makes; None where it says nothing of what is right.

    It does so where it was corrected, or called good and every sentence of it is supported.
    """
    response = stored.response
    is_good = opinion.rating == "up" and stored.status == "answered"
    if stored.redacted_at is not None or not (opinion.correction or is_good):
        return None
    passages = _passages(response, wrong=opinion.wrong_citation)
    if not passages:
        return None
    question = response["standalone"] or stored.question
    held = _cited(response) | borrowed_sources(response) | {_source(each) for each in passages}
    return ExampleWords(
        language=question_language(question),
        question=question,
        passage="\n\n".join(each["text"] for each in passages),
        source=place_in_words(passages[0]),
        answer=opinion.correction or response["answer"],
        # whoever corrected it had all of its passages before them
        held=frozenset(sources_of(response) if opinion.correction else held),
    )


def _passages(response: Response, *, wrong: int | None) -> list[Response]:
    """The passages that good citations are from; of a corrected answer without any, the best."""
    good = [each for each in response["citations"] if each["n"] != wrong]
    held = [
        passage
        for passage in response["passages"]
        if any(_holds(passage, citation) for citation in good)
    ]
    return (held or response["passages"][:1])[:_MAX_PASSAGES]


def _holds(passage: Response, citation: Response) -> bool:
    is_inside = passage["start"] <= citation["start"] and citation["end"] <= passage["end"]
    return is_inside and _source(passage) == _source(citation)


def _cited(response: Response) -> set[Source]:
    return {_source(each) for each in response["citations"]}


def _source(span: Response) -> Source:
    return span["document_id"], span["version"]
