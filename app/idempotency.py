"""What a request made that may be sent again under its Idempotency-Key. Stores no words.

A row says which thing a key stands for. What a sender is told the second time is read from that
thing as it is by then: what was deleted meanwhile does not come back by its key.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

from pydantic import BaseModel
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.access import Caller
from core.database import Database
from core.errors import CimientoError
from core.people_tables import IdempotencyKeyRow
from core.tables import now

KEPT_FOR: Final = timedelta(days=1)


class KeyReusedError(CimientoError):
    """The Idempotency-Key came with another request before."""

    code = "idempotency_key_reused"


class KeyTakenError(Exception):
    """The key has come to stand for something else since it was looked up: look again."""


@dataclass(frozen=True, slots=True)
class OnceKey:
    """Who sends under which key, and a digest of what: for anything else it is another key.

    instead_of: what it stood for when it was looked up, and which came to nothing.
    """

    asker: str
    key_hash: str
    body_hash: str
    instead_of: str | None = None

    @classmethod
    def of(
        cls, key: str, caller: Caller, body: BaseModel, *, but: frozenset[str] = frozenset()
    ) -> Self:
        """The key of a request; the fields in `but` make no other request of it."""
        # What is left out and what is given as its default are one request, also to a later
        # version of the service, which knows more fields.
        said = body.model_dump_json(exclude=set(but), exclude_defaults=True)
        return cls(caller.name, _hash(key), _hash(f"{type(body).__name__} {said}"))


class Idempotency:
    """Every query on such keys. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, key: OnceKey) -> str | None:
        """Id of what the key stands for. Raises `KeyReusedError` where that is something else's."""
        with self._database.read_scope() as session:
            row = session.get(IdempotencyKeyRow, (key.asker, key.key_hash))
        if row is None or _is_outdated(row):
            return None
        if row.body_hash != key.body_hash:
            raise KeyReusedError(
                "this Idempotency-Key was used for another request; a new one needs another key"
            )
        return row.made_id

    def sweep(self) -> None:
        """Forget the keys that stand for nothing any more."""
        outdated = IdempotencyKeyRow.created_at < now() - KEPT_FOR
        with self._database.session_scope() as session:
            session.execute(delete(IdempotencyKeyRow).where(outdated))


def claim_in(session: Session, key: OnceKey | None, made_id: str) -> None:
    """Let a key stand for what the caller's transaction makes. Raises `KeyTakenError`."""
    if key is None:
        return
    place = (key.asker, key.key_hash)
    row = session.get(IdempotencyKeyRow, place, with_for_update=True)
    stands_for = None if row is None or _is_outdated(row) else row.made_id
    if stands_for != key.instead_of:
        raise KeyTakenError
    if row is None:
        row = IdempotencyKeyRow(asker=key.asker, key_hash=key.key_hash)
        session.add(row)
    row.body_hash, row.made_id, row.created_at = key.body_hash, made_id, now()
    try:
        session.flush()
    except IntegrityError as error:
        raise KeyTakenError from error


def release_in(session: Session, made_id: str) -> None:
    """Forget the key of what came to nothing, in the caller's transaction."""
    session.execute(delete(IdempotencyKeyRow).where(IdempotencyKeyRow.made_id == made_id))


def _is_outdated(row: IdempotencyKeyRow) -> bool:
    return row.created_at < now() - KEPT_FOR


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
