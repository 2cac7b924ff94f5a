"""What the library holds of a case's gold, before any search. Reads rows; loads no model."""

from collections.abc import Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.evaluation.cases import EvalCase
from app.evaluation.judging import Stage, squash
from core.access import Access
from core.database import Database
from core.tables import ChunkRow, DocumentRow, VersionRow, VersionTextRow


class GoldLibrary:
    """Says whether the gold of a case could be found at all."""

    def __init__(self, database: Database, access: Access) -> None:
        self._database = database
        self._access = access

    def lost(self, case: EvalCase) -> Stage | None:
        """Where a case was lost before anybody asked; None where it was not, or nobody can tell.

        Only a case that names its documents can be told to be missing from them.
        """
        wanted = [case.gold_quote] if case.gold_quote else list(case.answers)
        if not case.gold_documents:
            return None
        with self._database.read_scope() as session:
            versions = self._versions(session, case.gold_documents)
            texts = session.scalars(
                select(VersionTextRow.text).where(VersionTextRow.version_id.in_(versions))
            ).all()
            if not texts or not _any_holds(texts, wanted):
                return Stage.NOT_INGESTED
            chunks = session.scalars(
                select(ChunkRow.text).where(ChunkRow.version_id.in_(versions))
            ).all()
        return None if _any_holds(chunks, wanted) else Stage.NOT_CHUNKED_WHOLE

    def _versions(self, session: Session, names: Sequence[str]) -> list[str]:
        query = (
            select(VersionRow.id)
            .join(DocumentRow, DocumentRow.id == VersionRow.document_id)
            .where(VersionRow.state == "searchable")
            .where(or_(DocumentRow.id.in_(names), DocumentRow.name.in_(names)))
        )
        if self._access.collection_ids is not None:
            query = query.where(DocumentRow.collection_id.in_(self._access.collection_ids))
        return list(session.scalars(query))


def _any_holds(texts: Sequence[str], wanted: Sequence[str]) -> bool:
    golds = [f" {squash(gold)} " for gold in wanted]
    return not golds or any(gold in f" {squash(text)} " for text in texts for gold in golds)
