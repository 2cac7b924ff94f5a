"""People, keys and the audit log on PostgreSQL, where triggers and locks are others."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

import migrations
from app.people.accounts import PersonChange
from app.people.audit import Deed
from app.people.credentials import KeyLimits, NewKey
from app.people.doors import Doors
from app.people.errors import BudgetSpentError, LastOwnerError, PersonExistsError
from app.people.identities import Identities
from app.people.passwords import Passwords
from app.people.provider import Identity
from app.people.sharing import Holder
from app.people.signing_in import Visit
from core.access import Role
from core.settings import Settings
from ingestion.collections import Collections
from tests.integration.ingestion.test_postgresql import house
from tests.unit.ingestion.house import House
from tests.unit.test_migrations import LAST_WITHOUT_PEOPLE, move

__all__ = ["house"]
PASSWORD = "correct horse battery"


@pytest.fixture
def doors(house: House, tmp_path: Path) -> Iterator[Doors]:
    """The doors of that house, with passwords that take no time."""
    cheap = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    doors = Doors.of(Settings(data_dir=tmp_path / "data"), house.database, cheap)
    yield doors
    doors.later.close()


def test_people_get_in_share_are_limited_and_recorded(house: House, doors: Doors) -> None:
    owner = doors.credentials.find_session(
        doors.sign_in.with_link(doors.sessions.create_link(), Visit(), password=PASSWORD)
    )
    assert owner is not None
    assert owner.owns_everything
    ana = doors.people.create("ana", email="Ana@example.org")
    with pytest.raises(PersonExistsError):
        doors.people.create("bea", email="ana@example.org")
    with pytest.raises(LastOwnerError):
        doors.people.update("owner", PersonChange(is_disabled=True))

    collection = Collections(house.store).create("handbook")
    doors.groups.create("office")
    doors.groups.add_member("office", "ana")
    doors.sharing.grant(collection.id, Holder("person", "ana"), Role.READER)
    doors.sharing.grant(collection.id, Holder("group", "office"), Role.EDITOR)
    session = doors.credentials.find_session(doors.sessions.open(ana.id))
    assert session is not None
    assert dict(session.roles) == {collection.id: Role.EDITOR}

    limits = KeyLimits(max_tokens_per_day=10)
    key, secret = doors.credentials.create(
        NewKey("k", ["handbook"], limits=limits, person_id=ana.id)
    )
    known = doors.credentials.find_key(secret)
    assert known is not None
    assert dict(known.caller.roles) == {collection.id: Role.EDITOR}
    for _ in range(2):
        doors.usage.add(known.caller.name, 5)
    with pytest.raises(BudgetSpentError):
        doors.usage.refuse_spent(known.caller.name, 10)
    assert doors.credentials.list_keys(ana.id)[0].last_used_at is not None

    identity = Identity("https://id.example.org", "1", "ana@example.org", None, "Ana")
    identities = Identities(house.database, sign_up="invited")
    assert identities.find_or_link(identity) == identities.find_or_link(identity) == ana.id

    doors.audit.record_soon(Deed("document.read", known.caller.name))
    assert [each.deed.action for each in doors.audit.list()] == ["document.read", "signed_in"]
    for statement in (
        "UPDATE audit_events SET actor = 'nobody'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
    ):
        with (
            pytest.raises(DBAPIError, match="only ever added to"),
            house.database.session_scope() as changing,
        ):
            changing.execute(text(statement))

    doors.people.delete("ana")
    assert doors.credentials.find_key(secret) is None
    assert [each.id for each in doors.credentials.list_keys() if each.id == key.id] == []

    move(house.database, LAST_WITHOUT_PEOPLE)
    migrations.upgrade(house.database)
    assert doors.people.list() == []
