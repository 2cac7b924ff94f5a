"""What the library holds of a case's gold, before any search. Reads rows; loads no model."""

from sqlalchemy import Select, or_, select

from app.evaluation.cases import EvalCase
from app.evaluation.judging import Stage, holds_any
from core.access import Access
from core.database import Database
from core.redaction import Source
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
        if not case.gold_documents:
            return None
        if not self.holding(case):
            return Stage.NOT_INGESTED
        query = select(ChunkRow.text).where(ChunkRow.version_id.in_(self._versions(case)))
        with self._database.read_scope() as session:
            chunks = session.scalars(query).all()
        return None if any(_holds(text, case) for text in chunks) else Stage.NOT_CHUNKED_WHOLE

    def holding(self, case: EvalCase) -> set[Source]:
        """The searchable versions of the documents that a case names in whose text its gold is."""
        query = (
            select(VersionRow.document_id, VersionRow.number, VersionTextRow.text)
            .join(VersionTextRow, VersionTextRow.version_id == VersionRow.id)
            .where(VersionRow.id.in_(self._versions(case)))
        )
        with self._database.read_scope() as session:
            return {
                (row.document_id, row.number)
                for row in session.execute(query)
                if _holds(row.text, case)
            }

    def _versions(self, case: EvalCase) -> Select[str]:
        names = case.gold_documents
        query = (
            select(VersionRow.id)
            .join(DocumentRow, DocumentRow.id == VersionRow.document_id)
            .where(VersionRow.state == "searchable")
            .where(or_(DocumentRow.id.in_(names), DocumentRow.name.in_(names)))
        )
        if self._access.collection_ids is not None:
            query = query.where(DocumentRow.collection_id.in_(self._access.collection_ids))
        return query


def _holds(text: str, case: EvalCase) -> bool:
    return not case.gold_texts or holds_any(text, case.gold_texts)
