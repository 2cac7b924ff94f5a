"""Who has which role in a collection. Every query on it; decides nothing about requests."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Select, delete, or_, select
from sqlalchemy.orm import Session

from app.people.accounts import get_person_row
from app.people.groups import get_group_row
from core.access import Role
from core.database import Database
from core.ids import CollectionId, PersonId, new_id
from core.people_tables import GrantRow, GroupMemberRow, GroupRow, PersonRow

HolderKind = Literal["person", "group"]


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody, or everybody in a group, by name."""

    kind: HolderKind
    name: str


@dataclass(frozen=True, slots=True)
class Grant:
    """A role in a collection, and whose it is."""

    holder: Holder
    role: Role


class Sharing:
    """Every query on grants. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, collection_id: CollectionId) -> Sequence[Grant]:
        """Who has a role in a collection: people first, then groups, by name.

        Owners of the service own every collection, and are not listed for it.
        """
        of_it = GrantRow.collection_id == collection_id
        people = select(PersonRow.name, GrantRow.role).join(
            GrantRow, GrantRow.person_id == PersonRow.id
        )
        groups = select(GroupRow.name, GrantRow.role).join(
            GrantRow, GrantRow.group_id == GroupRow.id
        )
        with self._database.read_scope() as session:
            return [
                *_grants(session, "person", people.where(of_it).order_by(PersonRow.name)),
                *_grants(session, "group", groups.where(of_it).order_by(GroupRow.name)),
            ]

    def grant(self, collection_id: CollectionId, holder: Holder, role: Role) -> None:
        """Give a role, in place of the one they had there.

        Raises `PersonNotFoundError`, `GroupNotFoundError`.
        """
        with self._database.session_scope() as session:
            column = _find_holder(session, holder)
            query = select(GrantRow).where(GrantRow.collection_id == collection_id)
            row = session.scalars(query.filter_by(**column)).one_or_none()
            if row is None:
                row = GrantRow(id=new_id("grt"), collection_id=collection_id, **column)
                session.add(row)
            row.role = role

    def revoke(self, collection_id: CollectionId, holder: Holder) -> None:
        """Take a role away; no error where there is none.

        Raises `PersonNotFoundError`, `GroupNotFoundError`.
        """
        with self._database.session_scope() as session:
            gone = delete(GrantRow).where(GrantRow.collection_id == collection_id)
            session.execute(gone.filter_by(**_find_holder(session, holder)))


def roles_of(session: Session, person_id: PersonId) -> dict[CollectionId, Role]:
    """What a person may do in each collection shared with them: the most that any grant gives."""
    groups = select(GroupMemberRow.group_id).where(GroupMemberRow.person_id == person_id)
    query = select(GrantRow.collection_id, GrantRow.role).where(
        or_(GrantRow.person_id == person_id, GrantRow.group_id.in_(groups))
    )
    roles: dict[CollectionId, Role] = {}
    for row in session.execute(query):
        collection_id, role = CollectionId(row.collection_id), Role(row.role)
        found = roles.get(collection_id)
        if found is None or role.includes(found):
            roles[collection_id] = role
    return roles


def _find_holder(session: Session, holder: Holder) -> dict[str, str]:
    if holder.kind == "person":
        return {"person_id": get_person_row(session, holder.name).id}
    return {"group_id": get_group_row(session, holder.name).id}


def _grants(session: Session, kind: HolderKind, query: Select[str, str]) -> list[Grant]:
    return [Grant(Holder(kind, name), Role(role)) for name, role in session.execute(query)]
