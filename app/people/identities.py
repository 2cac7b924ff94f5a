"""Whose account it is that somebody has at an identity provider. Every query on it."""

import re
from collections.abc import Iterator
from itertools import count
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.people.accounts import PERSON_PATTERN
from app.people.errors import SignInRefusedError
from app.people.provider import Identity
from core.database import Database
from core.ids import PersonId, new_id
from core.people_tables import IdentityRow, PersonRow

SignUp = Literal["invited", "anybody"]


class Identities:
    """Every query on identities. Thread-safe."""

    def __init__(self, database: Database, *, sign_up: SignUp) -> None:
        self._database = database
        self._sign_up = sign_up

    def find_or_link(self, identity: Identity) -> PersonId:
        """The person that it belongs to.

        The first time that is whoever was invited under the address that the provider has
        verified, or somebody new where anybody may come. Raises `SignInRefusedError`.
        """
        with self._database.session_scope() as session:
            row = session.get(IdentityRow, (identity.issuer, identity.subject))
            if row is None:
                person = self._find_invited(session, identity) or self._sign_up_new(
                    session, identity
                )
                session.add(
                    IdentityRow(
                        issuer=identity.issuer, subject=identity.subject, person_id=person.id
                    )
                )
            else:
                person = session.get_one(PersonRow, row.person_id)
            if person.is_disabled:
                raise SignInRefusedError("this account is disabled")
            return PersonId(person.id)

    def _find_invited(self, session: Session, identity: Identity) -> PersonRow | None:
        if identity.email is None:
            return None
        query = select(PersonRow).where(PersonRow.email == identity.email)
        person = session.scalars(query).one_or_none()
        if person is None:
            return None
        theirs = select(IdentityRow.subject).where(
            IdentityRow.person_id == person.id, IdentityRow.issuer == identity.issuer
        )
        if session.scalars(theirs).first() is not None:
            # the address has passed to somebody else at the provider: the account has not
            raise SignInRefusedError("this address belongs to another account of the provider")
        return person

    def _sign_up_new(self, session: Session, identity: Identity) -> PersonRow:
        if self._sign_up != "anybody":
            raise SignInRefusedError("nobody of this address has been invited")
        taken = set(session.scalars(select(PersonRow.name)))
        person = PersonRow(
            id=new_id("per"),
            name=next(name for name in _names(identity) if name not in taken),
            display_name=identity.display_name[:128],
            email=identity.email,
            is_owner=False,
            is_disabled=False,
        )
        session.add(person)
        session.flush()
        return person


def _names(identity: Identity) -> Iterator[str]:
    """What somebody new may be called, the best first."""
    wished = (identity.email or "", (identity.username or "").lower())
    fitting = [name for name in wished if re.fullmatch(PERSON_PATTERN, name)]
    yield from fitting
    stem = fitting[0][:56] if fitting else "person"
    yield from (f"{stem}-{number}" for number in count(2))
