"""API keys: made, listed, revoked, and turned into callers. Stores hashes; never a secret."""

import hmac
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from app.people.accounts import person_caller
from app.people.errors import CallerGoneError, KeyNotFoundError
from app.people.kept_keys import KeptKeys
from app.people.later import LaterWrites
from app.people.sessions import digest_of, new_secret
from app.people.sharing import roles_of
from core.access import OF_THE_SERVICE, Caller, Role, Scope
from core.database import Database
from core.deletions import note_deletion
from core.errors import CollectionNotFoundError
from core.ids import CollectionId, PersonId, new_id
from core.people_tables import ApiKeyCollectionRow, ApiKeyRow, PersonRow, WebSessionRow
from core.tables import CollectionRow, now

_KEY_PREFIX: Final = "cim_"
# What a key may do unless something else is asked for.
DEFAULT_SCOPES: Final = frozenset(Scope) - OF_THE_SERVICE
# Last use is written once in a while, not with every request.
_TOUCH_EVERY: Final = timedelta(minutes=1)
# A row for each collection that a limited key opens, or one. Built once: it is asked before each
# request where nobody tells of commits.
_KEYS: Final = select(
    ApiKeyRow.id,
    ApiKeyRow.name,
    ApiKeyRow.key_hash,
    ApiKeyRow.is_limited,
    ApiKeyRow.person_id,
    ApiKeyRow.scopes,
    ApiKeyRow.expires_at,
    ApiKeyRow.last_used_at,
    ApiKeyRow.max_requests_per_minute,
    ApiKeyRow.max_tokens_per_day,
    ApiKeyCollectionRow.collection_id,
).outerjoin(ApiKeyCollectionRow, ApiKeyCollectionRow.key_id == ApiKeyRow.id)
_BY_DIGEST: Final = _KEYS.where(ApiKeyRow.key_hash == bindparam("digest"))
_BY_ID: Final = _KEYS.where(ApiKeyRow.id == bindparam("key_id"))


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What a key may take; None does not limit."""

    max_requests_per_minute: int | None = None
    max_tokens_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be made.

    collections: names of those that it opens; None for all that its owner sees, whatever is made
    later. person_id: whose it is; None for a service's own.
    """

    name: str
    collections: Sequence[str] | None = None
    scopes: frozenset[Scope] = DEFAULT_SCOPES
    expires_at: datetime | None = None
    limits: KeyLimits = KeyLimits()
    person_id: PersonId | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it may be shown: everything but the secret. `person` is its owner's name."""

    id: str
    name: str
    created_at: datetime
    collections: tuple[str, ...] | None
    scopes: tuple[Scope, ...]
    expires_at: datetime | None
    last_used_at: datetime | None
    limits: KeyLimits
    person: str | None


@dataclass(frozen=True, slots=True)
class _Key:
    """A key as it is looked up, in the order of its columns. `opened`: what a limited one opens."""

    id: str
    name: str
    key_hash: str
    is_limited: bool
    person_id: str | None
    scopes: str
    expires_at: datetime | None
    last_used_at: datetime | None
    max_requests_per_minute: int | None
    max_tokens_per_day: int | None
    opened: tuple[CollectionId, ...]

    @classmethod
    def of(cls, rows: Sequence[Sequence[Any]]) -> "_Key | None":
        """The key that the rows of `_KEYS` are about; None where there are none."""
        if not rows:
            return None
        opened = tuple(CollectionId(row[-1]) for row in rows if row[-1] is not None)
        told = (*rows[0][:-1], opened)
        return cls(*told)


@dataclass(frozen=True, slots=True)
class KnownKey:
    """Who sent a key, what it may take, and when it was last used before."""

    id: str
    caller: Caller
    limits: KeyLimits
    last_used_at: datetime | None


class Credentials:
    """Makes keys, and says who a key or session belongs to. Thread-safe."""

    def __init__(self, database: Database, later: LaterWrites) -> None:
        self._database = database
        self._later = later
        self._kept: KeptKeys[KnownKey] = KeptKeys(database)
        self._touched: dict[str, datetime] = {}

    def create_key(
        self, name: str, *, collections: Sequence[str] | None = None
    ) -> tuple[ApiKey, str]:
        """Make a service's key, for all collections or for those that are named.

        The secret is returned here and can never be read again. Raises `CollectionNotFoundError`.
        """
        return self.create(NewKey(name, collections))

    def create(self, new: NewKey) -> tuple[ApiKey, str]:
        """Make a key. Returns and raises as `create_key` does."""
        secret = _KEY_PREFIX + new_secret()
        row = ApiKeyRow(
            id=new_id("key"),
            name=new.name,
            key_hash=digest_of(secret),
            is_limited=new.collections is not None,
            person_id=new.person_id,
            scopes=" ".join(each for each in Scope if each in new.scopes),
            expires_at=new.expires_at,
            max_requests_per_minute=new.limits.max_requests_per_minute,
            max_tokens_per_day=new.limits.max_tokens_per_day,
            created_at=now(),
        )
        names = sorted(set(new.collections or ()))
        with self._database.session_scope() as session:
            session.add(row)
            session.flush()
            for collection_id in _find_collections(session, names):
                session.add(ApiKeyCollectionRow(key_id=row.id, collection_id=collection_id))
            person = None if row.person_id is None else session.get(PersonRow, row.person_id)
        return _key(row, names, person.name if person else None), secret

    def list_keys(self, person_id: PersonId | None = None) -> list[ApiKey]:
        """Every key, or those of a person, the oldest first."""
        opened = (
            select(ApiKeyCollectionRow.key_id, CollectionRow.name)
            .join(CollectionRow, CollectionRow.id == ApiKeyCollectionRow.collection_id)
            .order_by(CollectionRow.name)
        )
        query = (
            select(ApiKeyRow, PersonRow.name)
            .outerjoin(PersonRow, PersonRow.id == ApiKeyRow.person_id)
            .order_by(ApiKeyRow.id)
        )
        if person_id is not None:
            query = query.where(ApiKeyRow.person_id == person_id)
        self._later.flush()
        with self._database.read_scope() as session:
            rows = session.execute(query).all()
            pairs = session.execute(opened).all()
        names: defaultdict[str, list[str]] = defaultdict(list)
        for key_id, name in pairs:
            names[key_id].append(name)
        return [_key(row, names[row.id], person) for row, person in rows]

    def revoke_key(self, key_id: str, *, person_id: PersonId | None = None) -> None:
        """Make a key worthless at once; with a person, only where it is theirs.

        Raises `KeyNotFoundError`.
        """
        with self._database.session_scope() as session:
            row = session.get(ApiKeyRow, key_id)
            if row is None or (person_id is not None and row.person_id != person_id):
                raise KeyNotFoundError(f"there is no key {key_id!r}; 'cimiento keys list' has all")
            session.delete(row)
            note_deletion(session, "key", key_id)

    def find_key(self, secret: str) -> KnownKey | None:
        """Whose key has this secret, and what it opens; None where no key may be used with it."""
        digest = digest_of(secret)
        return self._used(self._kept.look_up(digest, partial(self._read_key, digest)))

    def find_kept_key(self, secret: str) -> KnownKey | None:
        """As `find_key` where nothing has changed since; None where the database must be asked.

        Costs microseconds and never waits.
        """
        return self._used(self._kept.find(digest_of(secret)))

    def _read_key(self, digest: str) -> tuple[KnownKey, datetime | None] | None:
        asked = {"digest": digest}
        key = _Key.of(self._database.read_rows(_BY_DIGEST, asked))
        if key is None or not hmac.compare_digest(key.key_hash, digest):
            return None
        if key.person_id is None:
            caller = _caller(key, roles=None)
        else:
            # the key and what its owner may as they stood at the same moment
            with self._database.read_scope() as session:
                key = _Key.of(session.execute(_BY_DIGEST, asked).all())
                caller = None if key is None else _caller_of_key(session, key)
        if key is None or caller is None:
            return None
        limits = KeyLimits(key.max_requests_per_minute, key.max_tokens_per_day)
        return KnownKey(key.id, caller, limits, key.last_used_at), key.expires_at

    def find_session(self, token: str) -> Caller | None:
        """Who is signed in with this token; None where the session has ended."""
        digest = digest_of(token)
        query = (
            select(PersonRow, WebSessionRow.token_hash)
            .join(WebSessionRow, WebSessionRow.person_id == PersonRow.id)
            .where(WebSessionRow.token_hash == digest, WebSessionRow.expires_at > now())
        )
        with self._database.read_scope() as session:
            found = session.execute(query).one_or_none()
            if found is None or not hmac.compare_digest(found.token_hash, digest):
                return None
            person: PersonRow = found[0]
            if person.is_disabled:
                return None
            return _caller_of_person(session, person)

    def refuse_gone(self, name: str) -> None:
        """Raise `CallerGoneError` where a caller of this name may ask nothing any more.

        For work that outlives its request.
        """
        kind, _, id_ = name.partition(":")
        with self._database.read_scope() as session:
            if kind == "key":
                key = _Key.of(session.execute(_BY_ID, {"key_id": id_}).all())
                is_gone = key is None or _caller_of_key(session, key) is None
            elif kind == "person":
                person = session.get(PersonRow, id_)
                is_gone = person is None or person.is_disabled
            else:
                is_gone = False
        if is_gone:
            raise CallerGoneError(
                "whoever started this may ask nothing any more: the key was revoked or has "
                "expired, or the account is disabled"
            )

    def _used(self, known: KnownKey | None) -> KnownKey | None:
        if known is not None:
            self._touch(known.id, known.last_used_at)
        return known

    def _touch(self, key_id: str, last_used_at: datetime | None) -> None:
        moment = now()
        last = self._touched.get(key_id, last_used_at)
        if last is not None and moment - last < _TOUCH_EVERY:
            return
        self._touched[key_id] = moment
        used = update(ApiKeyRow).where(ApiKeyRow.id == key_id).values(last_used_at=moment)

        def write(session: Session) -> None:
            session.execute(used)

        self._later.put(key_id, write)


def _caller_of_person(session: Session, person: PersonRow) -> Caller:
    person_id = PersonId(person.id)
    roles = None if person.is_owner else roles_of(session, person_id)
    caller = Caller.with_roles(person_caller(person_id), person.name, roles)
    return replace(caller, person_id=person_id)


def _caller_of_key(session: Session, key: _Key) -> Caller | None:
    """None where the key has expired, or its owner is gone or disabled."""
    if key.person_id is None:
        return _caller(key, roles=None)
    person = session.get(PersonRow, key.person_id)
    if person is None or person.is_disabled:
        return None
    return _caller(key, roles=None if person.is_owner else roles_of(session, PersonId(person.id)))


def _caller(key: _Key, *, roles: Mapping[CollectionId, Role] | None) -> Caller | None:
    """Who has a key whose owner has these roles; None where it has expired."""
    if key.expires_at is not None and key.expires_at <= now():
        return None
    if key.is_limited:
        roles = {
            each: Role.OWNER if roles is None else roles[each]
            for each in key.opened
            if roles is None or each in roles
        }
    caller = Caller.with_roles(f"key:{key.id}", key.name, roles)
    person_id = None if key.person_id is None else PersonId(key.person_id)
    return replace(caller, scopes=_scopes(key.scopes), person_id=person_id)


def _scopes(written: str) -> frozenset[Scope]:
    return frozenset(map(Scope, written.split()))


def _find_collections(session: Session, names: Sequence[str]) -> list[str]:
    rows = session.execute(
        select(CollectionRow.name, CollectionRow.id).where(CollectionRow.name.in_(names))
    )
    found = {row.name: row.id for row in rows}
    for name in names:
        if name not in found:
            raise CollectionNotFoundError(f"there is no collection {name!r}")
    return [found[name] for name in names]


def _key(row: ApiKeyRow, collections: Sequence[str], person: str | None) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        created_at=row.created_at,
        collections=tuple(collections) if row.is_limited else None,
        scopes=tuple(each for each in Scope if each in _scopes(row.scopes)),
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        limits=KeyLimits(row.max_requests_per_minute, row.max_tokens_per_day),
        person=person,
    )
