"""Groups: people who are given access together. Every query on them."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.people.accounts import get_person_row
from app.people.errors import GroupExistsError, GroupNotFoundError
from core.database import Database
from core.ids import GroupId, new_id
from core.people_tables import GroupMemberRow, GroupRow, PersonRow


@dataclass(frozen=True, slots=True)
class Group:
    """People who are given access together; `members` are their names."""

    id: GroupId
    name: str
    members: tuple[str, ...]
    created_at: datetime


class Groups:
    """Every query on groups. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self) -> list[Group]:
        """All of them, by name."""
        query = (
            select(GroupMemberRow.group_id, PersonRow.name)
            .join(PersonRow, PersonRow.id == GroupMemberRow.person_id)
            .order_by(PersonRow.name)
        )
        members: defaultdict[str, list[str]] = defaultdict(list)
        with self._database.read_scope() as session:
            rows = session.scalars(select(GroupRow).order_by(GroupRow.name)).all()
            for group_id, name in session.execute(query):
                members[group_id].append(name)
        return [_group(row, tuple(members[row.id])) for row in rows]

    def create(self, name: str) -> Group:
        """Make one, empty. Raises `GroupExistsError`."""
        row = GroupRow(id=new_id("grp"), name=name)
        with self._database.session_scope() as session:
            if session.scalar(select(GroupRow.id).where(GroupRow.name == name)):
                raise GroupExistsError(f"there is a group {name!r} already")
            session.add(row)
        return _group(row, ())

    def delete(self, name: str) -> None:
        """Delete one, and the access it gave. Raises `GroupNotFoundError`."""
        with self._database.session_scope() as session:
            row = get_group_row(session, name)
            session.execute(delete(GroupRow).where(GroupRow.id == row.id))

    def add_member(self, name: str, person: str) -> None:
        """Let somebody in; no error where they are in already.

        Raises `GroupNotFoundError`, `PersonNotFoundError`.
        """
        with self._database.session_scope() as session:
            group_id, person_id = _pair(session, name, person)
            if session.get(GroupMemberRow, (group_id, person_id)) is None:
                session.add(GroupMemberRow(group_id=group_id, person_id=person_id))

    def remove_member(self, name: str, person: str) -> None:
        """Let somebody out; no error where they are not in.

        Raises `GroupNotFoundError`, `PersonNotFoundError`.
        """
        with self._database.session_scope() as session:
            group_id, person_id = _pair(session, name, person)
            session.execute(
                delete(GroupMemberRow).where(
                    GroupMemberRow.group_id == group_id, GroupMemberRow.person_id == person_id
                )
            )


def get_group_row(session: Session, name: str) -> GroupRow:
    """The row of a group. Raises `GroupNotFoundError`."""
    row = session.scalars(select(GroupRow).where(GroupRow.name == name)).one_or_none()
    if row is None:
        raise GroupNotFoundError(f"there is no group {name!r}")
    return row


def _pair(session: Session, group: str, person: str) -> tuple[str, str]:
    return get_group_row(session, group).id, get_person_row(session, person).id


def _group(row: GroupRow, members: tuple[str, ...]) -> Group:
    return Group(id=GroupId(row.id), name=row.name, members=members, created_at=row.created_at)
