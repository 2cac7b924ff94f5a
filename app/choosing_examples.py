"""Choose the examples that a prompt shows: its own, or approved answers to questions like this one.

Only examples all of whose documents the caller may see, and asks about, are chosen.
"""

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
from sqlalchemy import ColumnElement, Row, and_, exists, select, true, update
from sqlalchemy.orm import Session

from core.access import Access
from core.database import Database
from core.embedding import Embedder, Vectors
from core.ids import VersionId
from core.prompt_tables import ExampleRow, ExampleSourceRow
from core.tables import DocumentRow, VersionRow
from generation.language import Language, question_language
from generation.prompts import PromptTemplate
from generation.types import Example, ExampleSource

_APPROVED: Final = "approved"
_STORED: Final = "<f2"
_Known = Row[str, str | None, str | None, bytes | None]


class ExampleChooser:
    """Chooses by similarity of questions, with one embedding model. Thread-safe."""

    def __init__(self, database: Database, embedder: Embedder) -> None:
        self._database = database
        self._embedder = embedder

    def choose(
        self, template: PromptTemplate, question: str, access: Access, *, other_than: str = ""
    ) -> tuple[Example, ...]:
        """The examples to show, the nearest last; none where the template shows none.

        `other_than` is a question whose answer must not be given away.
        """
        few_shot = template.few_shot
        if few_shot is None:
            return ()
        language = question_language(question)
        own = template.own_examples(language)
        if few_shot.choose == "fixed":
            return own
        near = self._nearest(question, language, access, other_than=other_than)[: few_shot.max]
        return (*own[: few_shot.max - len(near)], *reversed(self.get(near, access)))

    def get(self, ids: Sequence[str], access: Access) -> list[Example]:
        """Approved examples by id, in this order, without those that are gone or not to be seen."""
        with self._database.read_scope() as session:
            found = _load(session, ids, access)
        return [found[each] for each in ids if each in found]

    def _nearest(
        self, question: str, language: Language, access: Access, *, other_than: str
    ) -> list[str]:
        query = select(
            ExampleRow.answer_id, ExampleRow.question, ExampleRow.embedding_model, ExampleRow.vector
        ).where(ExampleRow.language == language, _may_be_shown(access))
        with self._database.read_scope() as session:
            rows = session.execute(query.order_by(ExampleRow.answer_id)).all()
        known = [row for row in rows if not _is_same(row.question or "", other_than)]
        if not known:
            return []
        wanted = self._embedder.embed_queries([question])[0]  # (D,)
        similarities = self._vectors(known) @ wanted  # (N,)
        order = np.argsort(-similarities, kind="stable")
        return [known[place].answer_id for place in order.tolist()]

    def _vectors(self, rows: Sequence[_Known]) -> Vectors:
        """The questions' vectors (N, D); those that this model has not made yet are kept."""
        model = self._embedder.model
        kept = {
            row.answer_id: row.vector
            for row in rows
            if row.vector is not None and row.embedding_model == model
        }
        missing = [row for row in rows if row.answer_id not in kept]
        if missing:
            vectors = self._embedder.embed_queries([row.question or "" for row in missing])
            # read back as they are stored: the first choice is made as all later ones
            made = {
                row.answer_id: vector.astype(_STORED).tobytes()
                for row, vector in zip(missing, vectors, strict=True)
            }
            self._keep(made)
            kept |= made
        stored = [np.frombuffer(kept[row.answer_id], dtype=_STORED) for row in rows]
        return np.stack(stored).astype(np.float32)

    def _keep(self, vectors: dict[str, bytes]) -> None:
        with self._database.session_scope() as session:
            for answer_id, vector in vectors.items():
                of_it = update(ExampleRow).where(ExampleRow.answer_id == answer_id)
                session.execute(of_it.values(embedding_model=self._embedder.model, vector=vector))


def _is_same(question: str, other: str) -> bool:
    return question.casefold().split() == other.casefold().split()


def _may_be_shown(access: Access) -> ColumnElement[bool]:
    """Approved, and of documents that the caller may see, all of them."""
    is_visible: ColumnElement[bool] = true()
    if access.collection_ids is not None:
        is_visible = ~exists().where(
            ExampleSourceRow.answer_id == ExampleRow.answer_id,
            VersionRow.id == ExampleSourceRow.version_id,
            DocumentRow.id == VersionRow.document_id,
            DocumentRow.collection_id.not_in(access.collection_ids),
        )
    return and_(ExampleRow.state == _APPROVED, is_visible)


def _load(session: Session, ids: Collection[str], access: Access) -> dict[str, Example]:
    sources: dict[str, list[ExampleSource]] = {each: [] for each in ids}
    of_ids = (
        select(ExampleSourceRow.answer_id, VersionRow.id, VersionRow.document_id, VersionRow.number)
        .join(VersionRow, VersionRow.id == ExampleSourceRow.version_id)
        .where(ExampleSourceRow.answer_id.in_(ids))
        .order_by(VersionRow.document_id, VersionRow.number)
    )
    for row in session.execute(of_ids):
        source = ExampleSource(row.document_id, row.number, VersionId(row.id))
        sources[row.answer_id].append(source)
    rows = session.scalars(
        select(ExampleRow).where(ExampleRow.answer_id.in_(ids), _may_be_shown(access))
    )
    return {
        row.answer_id: Example(
            id=row.answer_id,
            question=row.question or "",
            passage=row.passage or "",
            answer=row.answer or "",
            source=row.source or "",
            sources=tuple(sources[row.answer_id]),
        )
        for row in rows
    }
