"""Questions written from an owner's own passages, for a person to review. Trusts none of them.

The model writes a question about one sentence of a passage. It is kept where the ranking that
answers questions finds that very sentence again in the passage, so that what a person reviews is at
least about its gold.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from sqlalchemy import select

from app.evaluation.cases import EvalCase, GoldSpan
from app.evaluation.summary import SEED
from app.services import Services
from core.access import Access
from core.ids import ChunkId
from core.tables import ChunkRow
from core.types import Passage
from generation.claims import names
from generation.evidence import Evidence, find_sentences
from generation.language import Language, question_language
from generation.numerals import numbers
from generation.types import Message, Sampling
from generation.words import content_stems
from retrieval.passages import load_passages
from retrieval.types import Hit

_TRIES_EACH: Final = 6
_SENTENCE_CHARS: Final = (40, 300)
_WORDS: Final = (4, 30)
_MAX_QUESTION_TOKENS: Final = 48
# A question that repeats nearly all of the sentence asks nothing.
_MAX_REPEATED: Final = 0.85
_PROMPTS: Final[dict[Language, str]] = {
    "en": "{text}\n\nWrite one short question that this sentence answers: “{sentence}” Write only "
    "the question.",
    "es": "{text}\n\nEscribe una pregunta corta que esta frase responda: «{sentence}» Escribe solo "
    "la pregunta.",
}
_QUESTION: Final = re.compile(r"(¿[^?\n]+\?|[^?\n.!:]+\?)")


@dataclass(frozen=True, slots=True)
class Written:
    """A question and the sentence that answers it."""

    question: str
    gold: Evidence
    language: Language

    def as_row(self) -> dict[str, object]:
        """A line of an evaluation file that waits for a review, with the place of its gold."""
        return {**self.as_case(0).as_row(), "review": "pending"}

    def as_case(self, line: int) -> EvalCase:
        """The same, to be asked."""
        passage = self.gold.passage
        return EvalCase(
            question=self.question,
            answers=(),
            gold_documents=(passage.document_id,),
            gold_quote=self.gold.text,
            is_answerable=True,
            language=self.language,
            line=line,
            gold_span=GoldSpan(
                passage.document_id, passage.version, passage.page, self.gold.start, self.gold.end
            ),
        )


@dataclass(frozen=True, slots=True)
class Tried:
    """A passage, counted from 1 on: the question that passed the check, and the tokens it took."""

    number: int
    question: Written | None
    num_tokens: int


def write_questions(
    services: Services, access: Access, number: int, *, on_tried: Callable[[int], None]
) -> list[Written]:
    """At most `number` questions, each from another passage; fewer where fewer pass the check."""
    written: list[Written] = []
    for tried in try_passages(services, access, number):
        on_tried(tried.number)
        if tried.question is not None:
            written.append(tried.question)
        if len(written) == number:
            break
    return written


def try_passages(
    services: Services, access: Access, number: int, *, after: int = 0
) -> Iterator[Tried]:
    """Passages in the order in which they are drawn for `number` questions.

    `after`: so many were tried before.
    """
    drawn = _draw(services, access, number * _TRIES_EACH)[after:]
    for count, chunk_id in enumerate(drawn, start=after + 1):
        passage = _find(services, access, chunk_id)
        question, num_tokens = (None, 0) if passage is None else _write(services, passage)
        yield Tried(count, question, num_tokens)


def _draw(services: Services, access: Access, number: int) -> list[ChunkId]:
    query = select(ChunkRow.id).order_by(ChunkRow.id)
    if access.collection_ids is not None:
        query = query.where(ChunkRow.collection_id.in_(access.collection_ids))
    with services.database.read_scope() as session:
        ids = session.scalars(query).all()
    order = np.random.default_rng(SEED).permutation(len(ids))[:number]
    return [ChunkId(ids[index]) for index in order]


def _find(services: Services, access: Access, chunk_id: ChunkId) -> Passage | None:
    """The passage, unless it was deleted since it was drawn."""
    found = load_passages(services.database, [Hit(chunk_id, 0.0)], access=access)
    return found[0] if found else None


def _write(services: Services, passage: Passage) -> tuple[Written | None, int]:
    gold = _choose(find_sentences([passage]))
    if gold is None:
        return None, 0
    language = question_language(gold.text)
    prompt = _PROMPTS[language].format(text=passage.text, sentence=gold.text)
    messages = [Message("user", prompt)]
    pieces = list(
        services.generator.stream(
            messages, Sampling(max_tokens=_MAX_QUESTION_TOKENS), cancelled=lambda: False
        )
    )
    num_tokens = services.generator.count_tokens(messages) + len(pieces)
    found = _QUESTION.search("".join(pieces))
    question = " ".join(found[0].split()) if found else ""
    is_kept = _is_question(question, gold) and _is_found_again(services, question, gold)
    return Written(question, gold, language) if is_kept else None, num_tokens


def _is_found_again(services: Services, question: str, gold: Evidence) -> bool:
    ranked = services.ranker.rank(question, [gold.passage])
    return bool(ranked) and ranked[0].start == gold.start


def _choose(sentences: Sequence[Evidence]) -> Evidence | None:
    """The sentence with the most to ask about: names and numbers."""
    shortest, longest = _SENTENCE_CHARS
    fit = [item for item in sentences if shortest <= len(item.text) <= longest]
    return max(fit, key=_num_facts, default=None)


def _num_facts(item: Evidence) -> int:
    return len(numbers(item.text)) + len(set(names(item.text)))


def _is_question(question: str, gold: Evidence) -> bool:
    least, most = _WORDS
    asked, said = set(content_stems(question)), set(content_stems(gold.text))
    if not least <= len(question.split()) <= most or not asked & said:
        return False
    return len(asked & said) <= _MAX_REPEATED * len(said)
