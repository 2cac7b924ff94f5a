"""Take deleted text out of stored answers, inside the transaction that deletes it. Asks nobody.

What stays of a redacted answer is its question, its status, its receipt, the sentences that rest on
other documents, and the mark `withdrawn`, which names by ids what is gone.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

from sqlalchemy import Select, delete, select, update
from sqlalchemy.orm import Session

from core.answer_tables import AnswerRow, AnswerSourceRow, FeedbackRow
from core.prompt_tables import ExampleRow, ExampleSourceRow
from core.tables import VersionRow, now

Source = tuple[str, int]
"""A document's id and the number of its version: how answers name what they hold words of."""

Response = dict[str, Any]
"""An answer as JSON, in the shape of the API."""

# What holds no word of a document. Whatever else an answer comes to hold is dropped unless this
# module learns how to redact it.
_WITHOUT_TEXT: Final = frozenset(
    {"id", "status", "finish_reason", "confidence", "timings", "usage", "error", "withdrawn"}
    # the words of people; those of an earlier answer have gone before
    | {"standalone", "borrowed"}
)
_ID_BATCH: Final = 200


def redact_answers(session: Session, scope: Select[str]) -> int:
    """Take the words of the versions whose ids `scope` selects out of every stored answer.

    Returns how many answers held some. The versions are locked, so that no answer is stored that
    rests on them before they are deleted.
    """
    versions = select(VersionRow.document_id, VersionRow.number).where(VersionRow.id.in_(scope))
    gone = {(row.document_id, row.number) for row in session.execute(versions.with_for_update())}
    of_scope = AnswerSourceRow.version_id.in_(scope)
    ids = session.scalars(select(AnswerSourceRow.answer_id).where(of_scope).distinct()).all()
    # in order, as others do who lock several
    for batch in _batches(sorted(ids)):
        redact_stored(session, batch, gone)
    session.execute(delete(AnswerSourceRow).where(of_scope))
    return len(ids)


def forget_examples(session: Session, scope: Select[str]) -> int:
    """Delete the examples that hold words of the versions whose ids `scope` selects; how many."""
    of_scope = ExampleSourceRow.version_id.in_(scope)
    ids = session.scalars(select(ExampleSourceRow.answer_id).where(of_scope).distinct()).all()
    for batch in _batches(ids):
        session.execute(delete(ExampleRow).where(ExampleRow.answer_id.in_(batch)))
    return len(ids)


def redact_stored(session: Session, ids: Sequence[str], gone: AbstractSet[Source]) -> None:
    """Take what is gone out of these answers."""
    # Locked: of two deletions at once the later one would write back what the first took out.
    # Plain rows: the caller's session is full of things that a deletion is about to change.
    rows = session.execute(
        select(AnswerRow.id, AnswerRow.response)
        .where(AnswerRow.id.in_(ids))
        .order_by(AnswerRow.id)
        .with_for_update()
    ).all()
    moment = now()
    redacted = [
        {"id": row.id, "response": redact(row.response, gone), "redacted_at": moment}
        for row in rows
    ]
    if redacted:
        session.execute(update(AnswerRow), redacted)
        # what people wrote about it may repeat it
        of_answers = update(FeedbackRow).where(FeedbackRow.answer_id.in_(ids))
        session.execute(of_answers.values(correction=None, comment=None))


def sources_of(response: Response) -> set[Source]:
    """Every version that the answer holds words of."""
    return quoted_sources(response) | borrowed_sources(response)


def redact(response: Response, gone: AbstractSet[Source]) -> Response:
    """The answer without the words of what is gone; itself where it holds none of them.

    A sentence stays where it rests on citations of which none is gone: one without a citation may
    have been written from any passage.
    """
    named = sources_of(response) & gone
    if not named:
        return response
    withdrawn = [{"document_id": each, "version": number} for each, number in sorted(named)]
    marked = {**response, "withdrawn": [*response.get("withdrawn", []), *withdrawn]}
    if borrowed_sources(response) & gone:
        # the question was rewritten with words of an earlier answer
        marked |= {"standalone": None, "borrowed": []}
    return marked if named.isdisjoint(quoted_sources(response)) else _without_quotes(marked, gone)


def _without_quotes(response: Response, gone: AbstractSet[Source]) -> Response:
    citations = [span for span in response["citations"] if _source(span) not in gone]
    text, sentences = _rest(response, {span["n"] for span in citations})
    return {
        **{key: value for key, value in response.items() if key in _WITHOUT_TEXT},
        "answer": text,
        "sentences": sentences,
        "citations": citations,
        "passages": [span for span in response["passages"] if _source(span) not in gone],
        "receipt": _receipt(response["receipt"], gone),
    }


def quoted_sources(response: Response) -> set[Source]:
    """Every version that the answer itself holds words of, apart from its question.

    What the model was shown as examples may come back in what it wrote.
    """
    spans = [*response["passages"], *response["citations"]]
    for example in response["receipt"].get("examples", []):
        spans += example["sources"]
    return {_source(span) for span in spans}


def borrowed_sources(response: Response) -> set[Source]:
    """Every version whose words its question was rewritten with."""
    return {_source(span) for span in response.get("borrowed", [])}


def _rest(response: Response, numbers: AbstractSet[int]) -> tuple[str, list[Response]]:
    text = ""
    kept: list[Response] = []
    for sentence in response["sentences"]:
        cited = sentence["citations"]
        if not cited or not set(cited) <= numbers:
            continue
        words = response["answer"][sentence["start"] : sentence["end"]].strip()
        start = len(text) + 1 if text else 0
        text = f"{text} {words}" if text else words
        kept.append({**sentence, "start": start, "end": len(text)})
    return text, kept


def _receipt(receipt: Response, gone: AbstractSet[Source]) -> Response:
    # the hash of a short text gives the text away to whoever guesses it
    passages = [
        {**span, "sha256": None} if _source(span) in gone else span for span in receipt["passages"]
    ]
    examples = [
        {**each, "sources": [span for span in each["sources"] if _source(span) not in gone]}
        for each in receipt.get("examples", [])
    ]
    return {**receipt, "passages": passages, "examples": examples}


def _source(span: Response) -> Source:
    return span["document_id"], span["version"]


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _ID_BATCH] for start in range(0, len(ids), _ID_BATCH))
