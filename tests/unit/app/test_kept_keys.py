"""A key that was looked up opens on without the database, until anything changes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from app.people.accounts import PersonChange
from app.people.credentials import ApiKey, Credentials, NewKey
from app.people.later import LaterWrites
from app.people.sharing import Holder
from core.access import Caller, Role
from core.database import Database
from core.ids import PersonId
from core.tables import now
from tests.databases import is_postgresql
from tests.statements import Asked, asked_of
from tests.unit.app.house import House

ANA = Holder("person", "ana")


@dataclass
class Kept:
    """A key that was looked up just now."""

    house: House
    key: ApiKey
    secret: str

    def find(self) -> Caller | None:
        """Who has the key, as a request finds it."""
        credentials = self.house.services.credentials
        known = credentials.find_kept_key(self.secret) or credentials.find_key(self.secret)
        return None if known is None else known.caller


def keep(house: House, new: NewKey) -> Kept:
    kept = Kept(house, *house.services.credentials.create(new))
    assert kept.find() is not None
    # the note of its last use is a commit too
    house.services.doors.later.flush()
    assert kept.find() is not None
    return kept


def count_lookups(asked: Asked) -> int:
    return sum("FROM api_keys" in statement for statement, _ in asked)


@pytest.fixture
def elsewhere(house: House) -> Iterator[Credentials]:
    """Another process with the same database."""
    database = Database(house.services.settings.database_url)
    later = LaterWrites(database)
    yield Credentials(database, later)
    later.close()
    database.close()


@pytest.mark.skipif(is_postgresql(), reason="PostgreSQL tells of no commits: nothing is kept")
def test_a_key_is_looked_up_once_while_nothing_changes(house: House) -> None:
    kept = keep(house, NewKey("busy"))
    with asked_of(house.services.database) as asked:
        assert [kept.find() for _ in range(5)] == [kept.find()] * 5
    assert count_lookups(asked) == 0


def test_a_key_revoked_here_opens_nothing_from_the_next_request_on(house: House) -> None:
    kept = keep(house, NewKey("gone"))
    house.services.credentials.revoke_key(kept.key.id)
    assert kept.find() is None


def test_a_key_revoked_by_another_process_opens_nothing_either(
    house: House, elsewhere: Credentials
) -> None:
    kept = keep(house, NewKey("gone"))
    elsewhere.revoke_key(kept.key.id)
    assert kept.find() is None


def test_a_key_that_expires_meanwhile_opens_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = keep(house, NewKey("brief", expires_at=now() + timedelta(hours=1)))
    later = now() + timedelta(hours=2)
    monkeypatch.setattr("app.people.kept_keys.now", lambda: later)
    assert house.services.credentials.find_kept_key(kept.secret) is None


def test_a_key_of_somebody_who_is_disabled_opens_nothing(house: House) -> None:
    people = house.services.doors.people
    person = people.create("ana")
    kept = keep(house, NewKey("hers", person_id=PersonId(person.id)))
    people.update("ana", PersonChange(is_disabled=True))
    assert kept.find() is None


def test_a_key_is_worth_what_its_owner_may_do_now(house: House) -> None:
    doors, collections = house.services.doors, house.services.collections
    person, handbook = doors.people.create("ana"), collections.create("handbook")
    doors.sharing.grant(handbook.id, ANA, Role.READER)
    kept = keep(house, NewKey("hers", person_id=PersonId(person.id)))
    before = kept.find()
    doors.sharing.grant(handbook.id, ANA, Role.EDITOR)
    after = kept.find()
    assert before is not None
    assert after is not None
    assert not before.may(Role.EDITOR, handbook.id)
    assert after.may(Role.EDITOR, handbook.id)


def test_a_key_that_is_kept_is_still_seen_in_use(house: House) -> None:
    kept = keep(house, NewKey("busy"))
    (key,) = [each for each in house.services.credentials.list_keys() if each.id == kept.key.id]
    assert key.last_used_at is not None


def test_a_database_that_does_not_tell_of_commits_is_asked_each_time(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Database, "commit_mark", lambda _: None)
    kept = keep(house, NewKey("busy"))
    with asked_of(house.services.database) as asked:
        assert kept.find() is not None
        assert kept.find() is not None
    assert count_lookups(asked) == 2
