"""Take deleted text out of stored evaluation runs, inside the transaction that deletes it.

What stays of a redacted question is what was measured: numbers, and where it ended. Its words stay
only where they are the caller's own, who uploaded them; a generated question is made of its
document, and one from feedback may be. Figures of a whole run are numbers, and stay.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final

from sqlalchemy import Select, delete, select, update
from sqlalchemy.orm import Session

from core.evaluation_tables import EvaluationCaseRow, EvaluationRow, EvaluationSourceRow
from core.redaction import Source
from core.tables import VersionTextRow, now

Data = dict[str, Any]
"""A question with its gold, or what became of it, as JSON."""

CaseKey = tuple[str, int]
"""The id of a run and the number of a question in it."""

UPLOADED: Final = "uploaded"
"""Source of a run whose questions are the caller's own words."""

OPEN_STATES: Final = ("queued", "running")
"""States of a run of which questions may wait to be asked."""

# What holds no word of a document. Whatever else a run comes to hold of a question is dropped.
_NUMBERS_OF_QUESTION: Final = frozenset({"line", "language", "is_answerable"})
_NUMBERS_OF_RESULT: Final = frozenset(
    {"stage", "status", "confidence", "is_right", "retrieval_score", "measures"}
    | {"retrieve_ms", "first_text_ms", "total_ms", "num_tokens", "num_prompt_tokens"}
)
# What is told of a question whose gold was deleted before it was asked.
_NOT_ASKED: Final[Data] = {
    "stage": "not judged",
    "status": "withdrawn",
    "confidence": 0.0,
    "is_right": False,
    "retrieval_score": 0.0,
    "measures": {},
    "retrieve_ms": 0.0,
    "first_text_ms": None,
    "total_ms": 0.0,
    "num_tokens": 0,
}
_BATCH: Final = 200


def redact_evaluations(session: Session, scope: Select[str]) -> int:
    """Take the words of the versions whose ids `scope` selects out of every stored run.

    Returns how many questions held some. The caller has locked the versions, so that nothing is
    stored that rests on them before they are deleted.
    """
    of_scope = EvaluationSourceRow.version_id.in_(scope)
    known = select(EvaluationSourceRow.evaluation_id, EvaluationSourceRow.number).where(of_scope)
    keys = {(row.evaluation_id, row.number) for row in session.execute(known.distinct())}
    keys |= set(_quoting(session, scope))
    redact_cases(session, keys)
    return len(keys)


def redact_cases(session: Session, keys: Iterable[CaseKey]) -> None:
    """Leave no words of these questions but the caller's own."""
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    for evaluation_id, number in sorted(keys):
        numbers[evaluation_id].append(number)
    for evaluation_id, those in numbers.items():
        run = session.execute(
            select(EvaluationRow.source, EvaluationRow.manifest).where(
                EvaluationRow.id == evaluation_id
            )
        ).one()
        if run.manifest is not None:
            # the hash of a few short questions gives them away to whoever guesses them
            without = {**run.manifest, "cases_sha256": None}
            of_run = update(EvaluationRow).where(EvaluationRow.id == evaluation_id)
            session.execute(of_run.values(manifest=without))
        for start in range(0, len(those), _BATCH):
            batch = those[start : start + _BATCH]
            _redact_batch(session, evaluation_id, batch, is_own=run.source == UPLOADED)


def redact_case(asked: Data, result: Data | None, *, is_own: bool) -> tuple[Data, Data]:
    """A question and what became of it, without their words; `is_own` keeps the question's."""
    bare = {key: value for key, value in asked.items() if key in _NUMBERS_OF_QUESTION}
    numbers = _NOT_ASKED if result is None else result
    return (
        {
            **bare,
            "question": asked["question"] if is_own else "",
            "answers": [],
            "gold_documents": [],
            "gold_quote": "",
            "sources": [],
        },
        {
            **{key: value for key, value in numbers.items() if key in _NUMBERS_OF_RESULT},
            "text": "",
            "read": [],
            "citations": [],
            "is_withdrawn": True,
        },
    )


def case_sources(asked: Data, result: Data | None) -> set[Source]:
    """Every version that a question, its gold or its evidence holds words of."""
    spans = () if result is None else (*result["read"], *result["citations"])
    of_gold = {(document_id, version) for document_id, version in asked["sources"]}
    return of_gold | {(span["document_id"], span["version"]) for span in spans}


def _redact_batch(session: Session, evaluation_id: str, batch: list[int], *, is_own: bool) -> None:
    # plain rows: the caller's session is full of things that a deletion is about to change
    rows = session.execute(
        select(EvaluationCaseRow.number, EvaluationCaseRow.asked, EvaluationCaseRow.result).where(
            EvaluationCaseRow.evaluation_id == evaluation_id, EvaluationCaseRow.number.in_(batch)
        )
    ).all()
    moment = now()
    redacted = []
    for row in rows:
        asked, result = redact_case(row.asked, row.result, is_own=is_own)
        key = {"evaluation_id": evaluation_id, "number": row.number}
        redacted.append({**key, "asked": asked, "result": result, "redacted_at": moment})
    if redacted:
        session.execute(update(EvaluationCaseRow), redacted)
    session.execute(
        delete(EvaluationSourceRow).where(
            EvaluationSourceRow.evaluation_id == evaluation_id,
            EvaluationSourceRow.number.in_(batch),
        )
    )


def _quoting(session: Session, scope: Select[str]) -> Iterator[CaseKey]:
    """Questions that wait to be asked, and quote one of the versions.

    Nobody says where an uploaded quote is from, and nobody knows before the question was asked;
    afterwards a quote that was found nowhere is not kept.
    """
    waiting = session.execute(
        select(EvaluationCaseRow.evaluation_id, EvaluationCaseRow.number, EvaluationCaseRow.asked)
        .join(EvaluationRow, EvaluationRow.id == EvaluationCaseRow.evaluation_id)
        .where(EvaluationRow.state.in_(OPEN_STATES), EvaluationCaseRow.result.is_(None))
    )
    quotes = {
        (row.evaluation_id, row.number): quote
        for row in waiting
        if (quote := _words(row.asked["gold_quote"]))
    }
    if not quotes:
        return
    texts = select(VersionTextRow.text).where(VersionTextRow.version_id.in_(scope))
    for text in session.scalars(texts):
        words = _words(text)
        yield from (key for key, quote in quotes.items() if quote in words)


def _words(text: str) -> str:
    return " ".join(text.casefold().split())
