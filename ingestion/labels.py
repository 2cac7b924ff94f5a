"""Labels of documents: a person's win over a classifier's, and stay when a document comes again."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import structlog
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.classifier import Classifier, Verdict, pool
from core.errors import DocumentNotFoundError
from core.label_tables import LabelRow
from core.tables import DocumentRow, now
from ingestion.staging import HalfVectors

log = structlog.get_logger()

NAME_PATTERN: Final = r"^[a-z][a-z0-9_]{0,31}$"
MAX_LABEL_CHARS: Final = 64


@dataclass(frozen=True, slots=True)
class Label:
    """What a document is labelled as under a name. `chance` is None where a person said it."""

    name: str
    label: str
    by_person: bool
    chance: float | None


@dataclass(frozen=True, slots=True)
class Judged:
    """What a classifier says of a document under its name."""

    name: str
    verdict: Verdict


def classify_document(
    classifiers: Iterable[Classifier], vectors: HalfVectors, *, embedding_model: str
) -> tuple[Judged, ...]:
    """What each classifier says of the document that these vectors (N, D) are of.

    One of another embedding model says nothing, as while the index changes its model.
    """
    judged = []
    for classifier in classifiers:
        if classifier.embedding_model != embedding_model:
            log.warning(
                "classifier_of_another_model",
                classifier=classifier.name,
                wants=classifier.embedding_model,
                index=embedding_model,
            )
            continue
        judged.append(Judged(classifier.name, classifier.classify(pool(vectors))))
    return tuple(judged)


def keep_verdicts(session: Session, document_id: str, judged: Sequence[Judged]) -> None:
    """Put what classifiers say in the place of what they said before.

    Where one is not sure, it says nothing. A person's labels stay.
    """
    if judged:
        _lock(session, document_id)
    for each in judged:
        row = session.get(LabelRow, (document_id, each.name))
        if row is not None and row.by_person:
            continue
        if each.verdict.is_sure:
            said = Label(each.name, each.verdict.label, by_person=False, chance=each.verdict.chance)
            _put(session, document_id, said)
        elif row is not None:
            session.delete(row)


def set_label(session: Session, document_id: str, *, name: str, label: str) -> None:
    """Keep what a person says. Raises `DocumentNotFoundError`."""
    _lock(session, document_id)
    _put(session, document_id, Label(name, label, by_person=True, chance=None))


def _put(session: Session, document_id: str, label: Label) -> None:
    session.merge(LabelRow(document_id=document_id, **asdict(label), set_at=now()))


def _lock(session: Session, document_id: str) -> None:
    # a person and a classifier may label it at the same time, and somebody may delete it
    held = select(DocumentRow.id).where(DocumentRow.id == document_id).with_for_update()
    if session.scalar(held) is None:
        raise DocumentNotFoundError(f"there is no document {document_id!r}")


def remove_label(session: Session, document_id: str, *, name: str) -> None:
    """Forget what the document is labelled as under this name, whoever said it."""
    session.execute(
        delete(LabelRow).where(LabelRow.document_id == document_id, LabelRow.name == name)
    )


def labels_of(session: Session, document_id: str) -> tuple[Label, ...]:
    """The labels of a document, by name."""
    return tuple(labels_by_document(session, [document_id])[document_id])


def labels_by_document(
    session: Session, document_ids: Sequence[str]
) -> defaultdict[str, list[Label]]:
    """The labels of each of these documents, by name."""
    query = select(LabelRow).where(LabelRow.document_id.in_(document_ids)).order_by(LabelRow.name)
    found: defaultdict[str, list[Label]] = defaultdict(list)
    for row in session.scalars(query):
        found[row.document_id].append(Label(row.name, row.label, row.by_person, row.chance))
    return found
