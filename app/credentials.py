"""Keys of services, one-time sign-in links, web sessions. Stores hashes; never a secret."""

import hashlib
import hmac
import secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.errors import KeyNotFoundError, SignInLinkError
from core.access import Access, Caller
from core.database import Database
from core.errors import CollectionNotFoundError
from core.ids import CollectionId, new_id
from core.settings import Settings
from core.tables import (
    ApiKeyCollectionRow,
    ApiKeyRow,
    CollectionRow,
    SignInLinkRow,
    WebSessionRow,
    now,
)

_KEY_PREFIX: Final = "cim_"
_SECRET_BYTES: Final = 32
LINK_LIFETIME: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it may be shown: everything but the secret.

    collections: names of those that it opens; None for all, whatever is made later.
    """

    id: str
    name: str
    created_at: datetime
    collections: tuple[str, ...] | None = None


class Credentials:
    """Makes and checks everything that lets a caller in. Thread-safe.

    Secrets are 256 random bits, so that a plain SHA-256 of them is enough: there is nothing to
    guess, and no salt to hide.
    """

    def __init__(self, database: Database, *, session_lifetime: timedelta) -> None:
        self._database = database
        self.session_lifetime = session_lifetime

    @classmethod
    def of(cls, settings: Settings, database: Database) -> Self:
        """The credentials of a service with these settings."""
        return cls(database, session_lifetime=timedelta(days=settings.server.session_days))

    def create_key(
        self, name: str, *, collections: Sequence[str] | None = None
    ) -> tuple[ApiKey, str]:
        """Make a key, for all collections or for those that are named.

        The secret is returned here and can never be read again. Raises `CollectionNotFoundError`.
        """
        secret = _KEY_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        is_limited = collections is not None
        row = ApiKeyRow(
            id=new_id("key"),
            name=name,
            key_hash=_hash(secret),
            is_limited=is_limited,
            created_at=now(),
        )
        names = sorted(set(collections or ()))
        with self._database.session_scope() as session:
            session.add(row)
            session.flush()
            for collection_id in _find_collections(session, names):
                session.add(ApiKeyCollectionRow(key_id=row.id, collection_id=collection_id))
        return ApiKey(
            row.id, row.name, row.created_at, tuple(names) if is_limited else None
        ), secret

    def list_keys(self) -> list[ApiKey]:
        """Every key, the oldest first."""
        opened = (
            select(ApiKeyCollectionRow.key_id, CollectionRow.name)
            .join(CollectionRow, CollectionRow.id == ApiKeyCollectionRow.collection_id)
            .order_by(CollectionRow.name)
        )
        with self._database.read_scope() as session:
            rows = session.scalars(select(ApiKeyRow).order_by(ApiKeyRow.id)).all()
            pairs = session.execute(opened).all()
        names: defaultdict[str, list[str]] = defaultdict(list)
        for key_id, name in pairs:
            names[key_id].append(name)
        return [
            ApiKey(
                row.id, row.name, row.created_at, tuple(names[row.id]) if row.is_limited else None
            )
            for row in rows
        ]

    def revoke_key(self, key_id: str) -> None:
        """Make a key worthless at once. Raises `KeyNotFoundError`."""
        with self._database.session_scope() as session:
            row = session.get(ApiKeyRow, key_id)
            if row is None:
                raise KeyNotFoundError(f"there is no key {key_id!r}; 'cimiento keys list' has all")
            session.delete(row)

    def caller_of_key(self, secret: str) -> Caller | None:
        """Whose key has this secret, and what it opens; None where there is no such key."""
        digest = _hash(secret)
        with self._database.read_scope() as session:
            row = session.scalars(select(ApiKeyRow).where(ApiKeyRow.key_hash == digest)).first()
            if row is None or not hmac.compare_digest(row.key_hash, digest):
                return None
            if not row.is_limited:
                return Caller(f"key:{row.id}", Access.to_everything())
            ids = session.scalars(
                select(ApiKeyCollectionRow.collection_id).where(
                    ApiKeyCollectionRow.key_id == row.id
                )
            )
            access = Access(frozenset(CollectionId(each) for each in ids))
            return Caller(f"key:{row.id}", access)

    def create_link(self) -> str:
        """Make the token of a link that signs one browser in, once, within a day."""
        token = secrets.token_urlsafe(_SECRET_BYTES)
        row = SignInLinkRow(token_hash=_hash(token), expires_at=now() + LINK_LIFETIME)
        with self._database.session_scope() as session:
            session.execute(delete(SignInLinkRow).where(SignInLinkRow.expires_at < now()))
            session.add(row)
        return token

    def redeem_link(self, token: str) -> str:
        """Use a link up and open a session; returns the session's token.

        Raises `SignInLinkError`. Of two browsers with the same link one gets in.
        """
        session_token = secrets.token_urlsafe(_SECRET_BYTES)
        with self._database.session_scope() as session:
            used = session.scalars(
                delete(SignInLinkRow)
                .where(SignInLinkRow.token_hash == _hash(token))
                .where(SignInLinkRow.expires_at > now())
                .returning(SignInLinkRow.token_hash)
            ).all()
            if not used:
                raise SignInLinkError(
                    "this sign-in link was used already or has expired; "
                    "'cimiento sign-in' makes a new one"
                )
            session.execute(delete(WebSessionRow).where(WebSessionRow.expires_at < now()))
            expires_at = now() + self.session_lifetime
            session.add(WebSessionRow(token_hash=_hash(session_token), expires_at=expires_at))
        return session_token

    def knows_session(self, token: str) -> bool:
        """Whether this is the token of a session that has not ended."""
        digest = _hash(token)
        with self._database.read_scope() as session:
            found = session.scalar(
                select(WebSessionRow.token_hash)
                .where(WebSessionRow.token_hash == digest)
                .where(WebSessionRow.expires_at > now())
            )
        return hmac.compare_digest(found or "", digest)

    def end_session(self, token: str) -> None:
        """Sign a browser out; no error where it is out already."""
        with self._database.session_scope() as session:
            session.execute(delete(WebSessionRow).where(WebSessionRow.token_hash == _hash(token)))


def _find_collections(session: Session, names: Sequence[str]) -> list[str]:
    rows = session.execute(
        select(CollectionRow.name, CollectionRow.id).where(CollectionRow.name.in_(names))
    )
    found = {row.name: row.id for row in rows}
    for name in names:
        if name not in found:
            raise CollectionNotFoundError(f"there is no collection {name!r}")
    return [found[name] for name in names]


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
