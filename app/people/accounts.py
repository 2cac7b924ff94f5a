"""People: their accounts. Every query on them; refuses to leave the service without an owner."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Final

from sqlalchemy import String, delete, func, literal, or_, select
from sqlalchemy.orm import Session

from app.people.errors import LastOwnerError, PersonExistsError, PersonNotFoundError
from core.answer_tables import AnswerRow, ConversationRow
from core.database import Database
from core.deletions import note_deletion
from core.evaluation_tables import EvaluationRow
from core.ids import PersonId, new_id
from core.people_tables import (
    ApiKeyRow,
    GroupMemberRow,
    GroupRow,
    IdempotencyKeyRow,
    PersonRow,
    WebSessionRow,
)

PERSON_PATTERN: Final = r"^[a-z0-9][a-z0-9._@+-]{0,63}$"
_FIRST_OWNER: Final = "owner"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in."""

    id: PersonId
    name: str
    display_name: str
    email: str | None
    is_owner: bool
    is_disabled: bool
    has_password: bool
    groups: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PersonChange:
    """What to change of a person; None leaves it as it is."""

    name: str | None = None
    display_name: str | None = None
    email: str | None = None
    is_owner: bool | None = None
    is_disabled: bool | None = None


Check = Callable[[Person], None]
"""Looks at a person who is about to be changed, and raises where they must not be."""


class People:
    """Every query on people. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self) -> list[Person]:
        """Everybody, by name."""
        with self._database.read_scope() as session:
            rows = session.scalars(select(PersonRow).order_by(PersonRow.name)).all()
            groups = _groups_of(session, [row.id for row in rows])
        return [_person(row, groups[row.id]) for row in rows]

    def get(self, name: str) -> Person:
        """One. Raises `PersonNotFoundError`."""
        with self._database.read_scope() as session:
            row = get_person_row(session, name)
            return _person(row, _groups_of(session, [row.id])[row.id])

    def get_by_id(self, person_id: PersonId) -> Person:
        """One. Raises `PersonNotFoundError`."""
        with self._database.read_scope() as session:
            row = session.get(PersonRow, person_id)
            if row is None:
                raise PersonNotFoundError("this account is gone")
            return _person(row, _groups_of(session, [row.id])[row.id])

    def create(
        self, name: str, *, display_name: str = "", email: str | None = None, is_owner: bool = False
    ) -> Person:
        """Make an account without a password: a link lets its owner choose one.

        Raises `PersonExistsError`.
        """
        row = PersonRow(
            id=new_id("per"),
            name=name,
            display_name=display_name,
            email=None if email is None else email.lower(),
            is_owner=is_owner,
            is_disabled=False,
        )
        with self._database.session_scope() as session:
            _refuse_taken(session, row.id, row.name, row.email)
            session.add(row)
        return _person(row, ())

    def update(self, name: str, change: PersonChange, *, check: Check | None = None) -> Person:
        """Change an account; whoever is disabled is signed out everywhere.

        Raises `PersonNotFoundError`, `PersonExistsError`, `LastOwnerError`, and as `check` does.
        """
        email = None if change.email is None else change.email.lower()
        with self._database.session_scope() as session:
            row = _checked_row(session, name, check)
            _refuse_taken(session, row.id, change.name, email)
            if change.is_owner is False or change.is_disabled:
                _refuse_last_owner(session, row)
            row.name = change.name or row.name
            row.email = email or row.email
            if change.display_name is not None:
                row.display_name = change.display_name
            if change.is_owner is not None:
                row.is_owner = change.is_owner
            if change.is_disabled is not None:
                row.is_disabled = change.is_disabled
            if row.is_disabled:
                session.execute(delete(WebSessionRow).where(WebSessionRow.person_id == row.id))
            return _person(row, _groups_of(session, [row.id])[row.id])

    def delete(self, name: str, *, check: Check | None = None) -> None:
        """Forget a person, with their keys, questions and answers.

        Raises `PersonNotFoundError`, `LastOwnerError`, and what `check` raises.
        """
        with self._database.session_scope() as session:
            row = _checked_row(session, name, check)
            _refuse_last_owner(session, row)
            forget_person(session, row)
            note_deletion(session, "person", row.id)
        self._database.overwrite_deleted()

    def password_of(self, name: str) -> tuple[PersonId, str | None] | None:
        """Id and stored hash of whoever may sign in under this name; None where nobody may."""
        query = select(PersonRow.id, PersonRow.password_hash).where(
            PersonRow.name == name, PersonRow.is_disabled.is_(False)
        )
        with self._database.read_scope() as session:
            row = session.execute(query).one_or_none()
        return None if row is None else (PersonId(row.id), row.password_hash)

    def set_password(self, person_id: PersonId, password_hash: str) -> None:
        """Keep another password. Raises `PersonNotFoundError`."""
        with self._database.session_scope() as session:
            row = session.get(PersonRow, person_id)
            if row is None:
                raise PersonNotFoundError("this account is gone")
            row.password_hash = password_hash

    def has_owner_with_password(self) -> bool:
        """Whether an owner can sign in without a link."""
        query = select(func.count()).where(
            PersonRow.is_owner,
            PersonRow.is_disabled.is_(False),
            PersonRow.password_hash.is_not(None),
        )
        with self._database.read_scope() as session:
            return bool(session.scalar(query))


def forget_person(session: Session, row: PersonRow) -> None:
    """Delete a person with their keys, questions and answers."""
    keys = session.scalars(select(ApiKeyRow.id).where(ApiKeyRow.person_id == row.id))
    askers = [person_caller(row.id), *(f"key:{each}" for each in keys)]
    for table in (AnswerRow, ConversationRow, EvaluationRow, IdempotencyKeyRow):
        session.execute(delete(table).where(table.asker.in_(askers)))
    session.execute(delete(ApiKeyRow).where(ApiKeyRow.person_id == row.id))
    session.delete(row)


def person_caller(person_id: str) -> str:
    """The name under which answers and conversations of a person are kept."""
    return f"person:{person_id}"


def names_of_callers(session: Session, callers: Set[str]) -> dict[str, str]:
    """What people and keys are called, by the names under which things of theirs are kept.

    The command line, and whoever is gone, has no name.
    """
    ids = [each.partition(":")[2] for each in callers]
    people = session.scalars(select(PersonRow).where(PersonRow.id.in_(ids)))
    keys = session.scalars(select(ApiKeyRow).where(ApiKeyRow.id.in_(ids)))
    return {person_caller(row.id): row.display_name or row.name for row in people} | {
        f"key:{row.id}": row.name for row in keys
    }


def _checked_row(session: Session, name: str, check: Check | None) -> PersonRow:
    """The row, which nobody changes before this transaction ends where `check` looked at it."""
    row = get_person_row(session, name)
    if check is not None:
        session.refresh(row, with_for_update=True)
        check(_person(row, _groups_of(session, [row.id])[row.id]))
    return row


def get_person_row(session: Session, name: str) -> PersonRow:
    """The row of whoever has this name. Raises `PersonNotFoundError`."""
    row = session.scalars(select(PersonRow).where(PersonRow.name == name)).one_or_none()
    if row is None:
        raise PersonNotFoundError(f"there is nobody called {name!r}")
    return row


def find_or_make_owner(session: Session) -> PersonId:
    """The first owner there is; on the first run, it makes one."""
    query = select(PersonRow.id).where(PersonRow.is_owner, PersonRow.is_disabled.is_(False))
    found = session.scalar(query.order_by(PersonRow.id).limit(1))
    if found is not None:
        return PersonId(found)
    taken = set(session.scalars(select(PersonRow.name)))
    names = (_FIRST_OWNER if n == 1 else f"{_FIRST_OWNER}-{n}" for n in count(1))
    name = next(each for each in names if each not in taken)
    row = PersonRow(id=new_id("per"), name=name, is_owner=True, is_disabled=False)
    session.add(row)
    session.flush()
    return PersonId(row.id)


def _refuse_taken(session: Session, person_id: str, name: str | None, email: str | None) -> None:
    query = select(PersonRow.name, PersonRow.email).where(
        PersonRow.id != person_id,
        # a column never equals NULL: what is not given matches nobody
        or_(PersonRow.name == literal(name, String), PersonRow.email == literal(email, String)),
    )
    if (taken := session.execute(query).first()) is not None:
        what = f"called {name!r}" if taken.name == name else f"with the address {email!r}"
        raise PersonExistsError(f"there is somebody {what} already")


def _refuse_last_owner(session: Session, row: PersonRow) -> None:
    query = select(PersonRow.id).where(PersonRow.is_owner, PersonRow.is_disabled.is_(False))
    # locked, so that of two owners who leave at the same moment one stays
    owners = set(session.scalars(query.with_for_update()))
    if owners == {row.id}:
        raise LastOwnerError(f"{row.name!r} is the only owner; make somebody else one first")


def _groups_of(session: Session, person_ids: Iterable[str]) -> defaultdict[str, list[str]]:
    query = (
        select(GroupMemberRow.person_id, GroupRow.name)
        .join(GroupRow, GroupRow.id == GroupMemberRow.group_id)
        .where(GroupMemberRow.person_id.in_(person_ids))
        .order_by(GroupRow.name)
    )
    found: defaultdict[str, list[str]] = defaultdict(list)
    for person_id, name in session.execute(query):
        found[person_id].append(name)
    return found


def _person(row: PersonRow, groups: Iterable[str]) -> Person:
    return Person(
        id=PersonId(row.id),
        name=row.name,
        display_name=row.display_name,
        email=row.email,
        is_owner=row.is_owner,
        is_disabled=row.is_disabled,
        has_password=row.password_hash is not None,
        groups=tuple(groups),
        created_at=row.created_at,
    )
