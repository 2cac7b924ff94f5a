"""Which prompt answers from a collection: activated, rolled back, and every step kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.errors import NoEarlierPromptError
from app.prompts import Prompts
from core.access import Access, Caller
from core.database import Database
from core.ids import CollectionId
from core.prompt_tables import PromptActivationRow
from core.tables import CollectionRow, now
from generation.answer import AnswerOptions


@dataclass(frozen=True, slots=True)
class Activation:
    """A prompt became that of a collection; `prompt` is None for that of the service."""

    prompt: str | None
    is_rollback: bool
    created_by: str
    created_at: datetime


class ActivePrompts:
    """Every query on activations. Thread-safe. Collections are the caller's to see."""

    def __init__(self, database: Database, prompts: Prompts) -> None:
        self._database = database
        self._prompts = prompts

    def history(self, collection_id: CollectionId) -> list[Activation]:
        """Every activation of a collection, the newest, which counts, first."""
        with self._database.read_scope() as session:
            return _history(session, collection_id)

    def activate(
        self,
        collection_id: CollectionId,
        reference: str | None,
        caller: Caller,
        *,
        check: Callable[[list[Activation]], None] | None = None,
    ) -> Activation:
        """Let a prompt answer from the collection from now on, in the version it has now.

        None: that of the service. What is active already stays. Raises `PromptNotFoundError`, and
        what `check` raises of what was active until now.
        """
        prompt = None
        if reference is not None:
            prompt = self._prompts.get(reference, caller.access).template.reference
        with self._database.session_scope() as session:
            current = _lock_current(session, collection_id)
            if check is not None:
                check(_history(session, collection_id))
            if current is not None and current.prompt == prompt:
                return _activation(current)
            before_id = None if current is None else current.id
            row = _row(collection_id, prompt, caller, before_id=before_id)
            session.add(row)
        return _activation(row)

    def roll_back(self, collection_id: CollectionId, caller: Caller) -> Activation:
        """Go back to what was active before; again, to what was before that.

        Raises `NoEarlierPromptError`.
        """
        with self._database.session_scope() as session:
            current = _lock_current(session, collection_id)
            if current is None or (current.before_id is None and current.prompt is None):
                raise NoEarlierPromptError("no prompt was active before: there is nothing to undo")
            before_id = current.before_id
            before = None if before_id is None else session.get(PromptActivationRow, before_id)
            row = _row(
                collection_id,
                before.prompt if before else None,
                caller,
                before_id=before.before_id if before else None,
                is_rollback=True,
            )
            session.add(row)
        return _activation(row)

    def applied(self, options: AnswerOptions, access: Access) -> AnswerOptions:
        """The options with the prompt of the collections that are asked, where all have the same.

        Where they differ, or none has one, the options stay.
        """
        with self._database.read_scope() as session:
            collections = select(CollectionRow.id)
            if access.collection_ids is not None:
                collections = collections.where(CollectionRow.id.in_(access.collection_ids))
            ids = session.scalars(collections).all()
            current = _current(session, ids)
        active = {current.get(each) for each in ids}
        if len(active) != 1 or (prompt := active.pop()) is None:
            return options
        everything = Access.to_everything()  # who may ask the collection may have its prompt
        return options.with_prompt(self._prompts.get(prompt, everything).template)


def _lock_current(session: Session, collection_id: CollectionId) -> PromptActivationRow | None:
    # two at the same moment: the later one goes on from the earlier one
    session.execute(
        select(CollectionRow.id).where(CollectionRow.id == collection_id).with_for_update()
    )
    return session.scalars(_newest_first(collection_id).limit(1)).first()


def _history(session: Session, collection_id: CollectionId) -> list[Activation]:
    return [_activation(row) for row in session.scalars(_newest_first(collection_id))]


def _newest_first(collection_id: CollectionId) -> Select[PromptActivationRow]:
    of_collection = PromptActivationRow.collection_id == collection_id
    return select(PromptActivationRow).where(of_collection).order_by(PromptActivationRow.id.desc())


def _current(session: Session, ids: Sequence[str]) -> dict[str, str | None]:
    newest = (
        select(func.max(PromptActivationRow.id))
        .where(PromptActivationRow.collection_id.in_(ids))
        .group_by(PromptActivationRow.collection_id)
    )
    query = select(PromptActivationRow.collection_id, PromptActivationRow.prompt)
    rows = session.execute(query.where(PromptActivationRow.id.in_(newest)))
    return {row.collection_id: row.prompt for row in rows}


def _row(
    collection_id: CollectionId,
    prompt: str | None,
    caller: Caller,
    *,
    before_id: int | None,
    is_rollback: bool = False,
) -> PromptActivationRow:
    return PromptActivationRow(
        collection_id=collection_id,
        prompt=prompt,
        before_id=before_id,
        is_rollback=is_rollback,
        created_by=caller.name,
        created_at=now(),
    )


def _activation(row: PromptActivationRow) -> Activation:
    return Activation(row.prompt, row.is_rollback, row.created_by, row.created_at)
