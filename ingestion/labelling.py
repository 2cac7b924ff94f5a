"""Label documents that were there before a classifier. Reads their vectors, and embeds nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from core.access import Access
from core.classifier import Classifier
from core.database import Database
from core.errors import ClassifierUnusableError, DocumentNotFoundError
from core.tables import ChunkRow, DocumentRow, VersionRow
from ingestion.labels import classify_document, keep_verdicts
from ingestion.staging import HalfVectors

_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Labelled:
    """How many documents were looked at, and of how many some classifier was sure."""

    num_documents: int
    num_sure: int


def label_documents(
    database: Database, classifiers: Sequence[Classifier], access: Access
) -> Labelled:
    """Let classifiers say what each searchable document is, as they do when one comes in.

    A person's labels stay. May run beside the service, twice, and again after it was cut off.
    Raises `ClassifierUnusableError` where the index is of another model than one of them.
    """
    num_documents = num_sure = 0
    for version_id, document_id, model in _searchable(database, access):
        _require_model(classifiers, model)
        with database.read_scope() as session:
            vectors = _load_vectors(session, version_id)
        said = classify_document(classifiers, vectors, embedding_model=model)
        with database.session_scope() as session:
            # what came meanwhile was labelled when it came
            if not _is_searchable(session, version_id):
                continue
            try:
                keep_verdicts(session, document_id, said)
            except DocumentNotFoundError:
                continue  # deleted meanwhile
        num_documents += 1
        num_sure += any(each.verdict.is_sure for each in said)
    return Labelled(num_documents, num_sure)


def _searchable(database: Database, access: Access) -> Iterator[tuple[str, str, str]]:
    """Version, document and embedding model of each searchable document with text; few at once."""
    query = (
        select(VersionRow.id, VersionRow.document_id, VersionRow.embedding_model)
        .join(DocumentRow, DocumentRow.id == VersionRow.document_id)
        .where(
            VersionRow.state == "searchable",
            VersionRow.embedding_model.is_not(None),
            exists().where(ChunkRow.version_id == VersionRow.id),
        )
        .order_by(VersionRow.id)
        .limit(_AT_ONCE)
    )
    if access.collection_ids is not None:
        query = query.where(DocumentRow.collection_id.in_(access.collection_ids))
    last = ""
    while True:
        with database.read_scope() as session:
            rows = session.execute(query.where(VersionRow.id > last)).all()
        if not rows:
            return
        for row in rows:
            yield row.id, row.document_id, row.embedding_model
        last = rows[-1].id


def _require_model(classifiers: Sequence[Classifier], model: str) -> None:
    for each in classifiers:
        if each.embedding_model != model:
            raise ClassifierUnusableError(
                f"the classifier {each.name!r} is over {each.embedding_model}, and documents are "
                f"embedded by {model}; train it again"
            )


def _load_vectors(session: Session, version_id: str) -> HalfVectors:
    """(N, D)"""
    query = select(ChunkRow.vector).where(ChunkRow.version_id == version_id)
    rows = session.scalars(query.order_by(ChunkRow.ordinal)).all()
    return np.stack([np.frombuffer(each, dtype="<f2") for each in rows])


def _is_searchable(session: Session, version_id: str) -> bool:
    query = select(VersionRow.state).where(VersionRow.id == version_id)
    return session.scalar(query) == "searchable"
