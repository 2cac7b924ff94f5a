"""What answers from a collection: activated, rolled back, and every step kept. Knows not what."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.people.accounts import names_of_callers
from core.access import Access, Caller
from core.adapter_tables import AdapterActivationRow
from core.database import Database
from core.errors import CimientoError
from core.ids import CollectionId
from core.prompt_tables import PromptActivationRow
from core.tables import CollectionRow, now

Row = TypeVar("Row", bound=PromptActivationRow | AdapterActivationRow)


@dataclass(frozen=True, slots=True)
class Activation:
    """Something became that of a collection; `reference` is None for that of the service.

    by: what whoever did it is called; empty for the command line, and where they are gone.
    """

    reference: str | None
    is_rollback: bool
    by: str
    created_at: datetime


Check = Callable[[list[Activation]], None]
"""Looks at what was active, in the transaction that changes it."""


class Activations(Generic[Row]):
    """Every query on the activations of a kind. Thread-safe. Collections are the caller's to see.

    nothing_before: the error where there is nothing to roll back to.
    """

    def __init__(
        self, database: Database, row: type[Row], *, nothing_before: Callable[[], CimientoError]
    ) -> None:
        self._database = database
        self._row: type[Row] = row
        self._nothing_before = nothing_before

    def history(self, collection_id: CollectionId) -> list[Activation]:
        """Every activation of a collection, the newest, which counts, first."""
        with self._database.read_scope() as session:
            return self._history(session, collection_id)

    def activate(
        self,
        collection_id: CollectionId,
        reference: str | None,
        caller: Caller,
        *,
        check: Check | None = None,
    ) -> Activation:
        """Let it answer from the collection from now on. What is active already stays.

        Raises what `check` raises of what was active until now.
        """
        with self._database.session_scope() as session:
            current = self._lock_current(session, collection_id)
            if check is not None:
                check(self._history(session, collection_id))
            if current is not None and current.reference == reference:
                return _activations(session, [current])[0]
            row = self._row(
                collection_id=collection_id,
                reference=reference,
                before_id=None if current is None else current.id,
                is_rollback=False,
                created_by=caller.name,
                created_at=now(),
            )
            session.add(row)
            return _activations(session, [row])[0]

    def roll_back(
        self,
        collection_id: CollectionId,
        caller: Caller,
        *,
        check: Callable[[str], object] = lambda _reference: None,
    ) -> Activation:
        """Go back to what was active before; again, to what was before that.

        `check` is told what that is, and raises where it is no longer to be had. Raises
        `nothing_before`.
        """
        with self._database.session_scope() as session:
            current = self._lock_current(session, collection_id)
            if current is None or (current.before_id is None and current.reference is None):
                raise self._nothing_before()
            before_id = current.before_id
            before = None if before_id is None else session.get(self._row, before_id)
            if before is not None and before.reference is not None:
                check(before.reference)
            row = self._row(
                collection_id=collection_id,
                reference=before.reference if before else None,
                before_id=before.before_id if before else None,
                is_rollback=True,
                created_by=caller.name,
                created_at=now(),
            )
            session.add(row)
            return _activations(session, [row])[0]

    def common(self, access: Access) -> str | None:
        """What is active in the collections that are asked, where all have the same.

        None where they differ, or have that of the service.
        """
        with self._database.read_scope() as session:
            collections = select(CollectionRow.id)
            if access.collection_ids is not None:
                collections = collections.where(CollectionRow.id.in_(access.collection_ids))
            ids = session.scalars(collections).all()
            current = self._current(session, ids)
        active = {current.get(each) for each in ids}
        return active.pop() if len(active) == 1 else None

    def where_active(self, session: Session, reference: str) -> list[str]:
        """The names of the collections that it answers from now."""
        collections = session.execute(select(CollectionRow.id, CollectionRow.name)).all()
        current = self._current(session, [row.id for row in collections])
        return sorted(row.name for row in collections if current.get(row.id) == reference)

    def _lock_current(self, session: Session, collection_id: CollectionId) -> Row | None:
        # two at the same moment: the later one goes on from the earlier one
        session.execute(
            select(CollectionRow.id).where(CollectionRow.id == collection_id).with_for_update()
        )
        return session.scalars(self._newest_first(collection_id).limit(1)).first()

    def _history(self, session: Session, collection_id: CollectionId) -> list[Activation]:
        return _activations(session, session.scalars(self._newest_first(collection_id)).all())

    def _newest_first(self, collection_id: CollectionId) -> Select[Row]:
        of_collection = self._row.collection_id == collection_id
        return select(self._row).where(of_collection).order_by(self._row.id.desc())

    def _current(self, session: Session, ids: Sequence[str]) -> dict[str, str | None]:
        newest = (
            select(func.max(self._row.id))
            .where(self._row.collection_id.in_(ids))
            .group_by(self._row.collection_id)
        )
        query = select(self._row.collection_id, self._row.reference)
        rows = session.execute(query.where(self._row.id.in_(newest)))
        return {row.collection_id: row.reference for row in rows}


def _activations(
    session: Session, rows: Sequence[PromptActivationRow | AdapterActivationRow]
) -> list[Activation]:
    names = names_of_callers(session, {row.created_by for row in rows})
    return [
        Activation(row.reference, row.is_rollback, names.get(row.created_by, ""), row.created_at)
        for row in rows
    ]
