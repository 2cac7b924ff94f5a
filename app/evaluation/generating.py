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


def write_questions(
    services: Services, access: Access, number: int, *, on_tried: Callable[[int], None]
) -> list[Written]:
    """At most `number` questions, each from another passage; fewer where fewer pass the check."""
    written: list[Written] = []
    for count, question in try_passages(services, access, number):
        on_tried(count)
        if question is not None:
            written.append(question)
        if len(written) == number:
            break
    return written


def try_passages(
    services: Services, access: Access, number: int, *, after: int = 0
) -> Iterator[tuple[int, Written | None]]:
    """Passages in the order in which they are drawn for `number` questions, counted from 1 on.

    With each comes the question that passed the check, if any. `after`: so many were tried before.
    """
    drawn = _draw(services, access, number * _TRIES_EACH)[after:]
    for count, chunk_id in enumerate(drawn, start=after + 1):
        passage = _find(services, access, chunk_id)
        yield count, None if passage is None else _write(services, passage)


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
    with services.database.read_scope() as session:
        found = load_passages(session, [Hit(chunk_id, 0.0)], access=access)
    return found[0] if found else None


def _write(services: Services, passage: Passage) -> Written | None:
    gold = _choose(find_sentences([passage]))
    if gold is None:
        return None
    language = question_language(gold.text)
    prompt = _PROMPTS[language].format(text=passage.text, sentence=gold.text)
    pieces = services.generator.stream(
        [Message("user", prompt)],
        Sampling(max_tokens=_MAX_QUESTION_TOKENS),
        cancelled=lambda: False,
    )
    found = _QUESTION.search("".join(pieces))
    question = " ".join(found[0].split()) if found else ""
    if not _is_question(question, gold):
        return None
    ranked = services.ranker.rank(question, [passage])
    is_found_again = bool(ranked) and ranked[0].start == gold.start
    return Written(question, gold, language) if is_found_again else None


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
