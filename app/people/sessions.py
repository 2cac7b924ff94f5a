"""Web sessions, and links that open one. Stores hashes; never a secret."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from sqlalchemy import delete, select

from app.people.accounts import find_or_make_owner
from app.people.errors import SignInLinkError
from core.database import Database
from core.ids import PersonId
from core.people_tables import PersonRow, SignInLinkRow, WebSessionRow
from core.settings import Settings
from core.tables import now

LINK_LIFETIME: Final = timedelta(hours=24)
INVITATION_LIFETIME: Final = timedelta(days=7)
_SECRET_BYTES: Final = 32
_MAX_BROWSER_CHARS: Final = 120


@dataclass(frozen=True, slots=True)
class WebSession:
    """A signed-in browser, as its owner may see it. `is_this`: the one that asks."""

    browser: str
    created_at: datetime
    expires_at: datetime
    is_this: bool


class Sessions:
    """Opens, finds and ends sessions. Thread-safe.

    Tokens are 256 random bits, so that a plain SHA-256 of them is enough: there is nothing to
    guess, and no salt to hide.
    """

    def __init__(self, database: Database, *, lifetime: timedelta) -> None:
        self._database = database
        self.lifetime = lifetime

    @classmethod
    def of(cls, settings: Settings, database: Database) -> Self:
        """The sessions of a service with these settings."""
        return cls(database, lifetime=timedelta(days=settings.server.session_days))

    def create_link(
        self, person_id: PersonId | None = None, *, lifetime: timedelta = LINK_LIFETIME
    ) -> str:
        """Make the token of a link that signs a person in, once; by default the owner."""
        token = new_secret()
        expires_at = now() + lifetime
        row = SignInLinkRow(token_hash=digest_of(token), person_id=person_id, expires_at=expires_at)
        with self._database.session_scope() as session:
            session.execute(delete(SignInLinkRow).where(SignInLinkRow.expires_at < now()))
            session.add(row)
        return token

    def find_person_of_link(self, token: str) -> PersonId | None:
        """Whom a link would sign in, without using it up; None for the owner to be.

        Raises `SignInLinkError`.
        """
        query = select(SignInLinkRow).where(
            SignInLinkRow.token_hash == digest_of(token), SignInLinkRow.expires_at > now()
        )
        with self._database.read_scope() as session:
            row = session.scalars(query).one_or_none()
        if row is None:
            raise _used_link()
        return None if row.person_id is None else PersonId(row.person_id)

    def redeem_link(
        self, token: str, *, browser: str = "", password_hash: str | None = None
    ) -> tuple[PersonId, str]:
        """Use a link up and open a session; returns whose, and the session's token.

        With a hash, that becomes their password, and their other sessions end. Raises
        `SignInLinkError`. Of two browsers with the same link one gets in.
        """
        session_token = new_secret()
        with self._database.session_scope() as session:
            used = session.execute(
                delete(SignInLinkRow)
                .where(SignInLinkRow.token_hash == digest_of(token))
                .where(SignInLinkRow.expires_at > now())
                .returning(SignInLinkRow.person_id)
            ).all()
            if not used:
                raise _used_link()
            person_id = used[0].person_id or find_or_make_owner(session)
            person = session.get(PersonRow, person_id)
            if person is None or person.is_disabled:
                raise _used_link()
            if password_hash is not None:
                person.password_hash = password_hash
                session.execute(delete(WebSessionRow).where(WebSessionRow.person_id == person_id))
            session.execute(delete(WebSessionRow).where(WebSessionRow.expires_at < now()))
            session.add(self._row(person_id, session_token, browser))
        return PersonId(person_id), session_token

    def open(self, person_id: PersonId, *, browser: str = "") -> str:
        """Open a session; returns its token."""
        token = new_secret()
        with self._database.session_scope() as session:
            session.execute(delete(WebSessionRow).where(WebSessionRow.expires_at < now()))
            session.add(self._row(person_id, token, browser))
        return token

    def list(self, person_id: PersonId, *, this: str) -> Sequence[WebSession]:
        """The sessions of a person that have not ended, the newest first."""
        query = (
            select(WebSessionRow)
            .where(WebSessionRow.person_id == person_id, WebSessionRow.expires_at > now())
            .order_by(WebSessionRow.created_at.desc())
        )
        with self._database.read_scope() as session:
            rows = session.scalars(query).all()
        return [
            WebSession(
                browser=row.browser,
                created_at=row.created_at,
                expires_at=row.expires_at,
                is_this=hmac.compare_digest(row.token_hash, digest_of(this)),
            )
            for row in rows
        ]

    def end(self, token: str) -> None:
        """Sign a browser out; no error where it is out already."""
        with self._database.session_scope() as session:
            session.execute(
                delete(WebSessionRow).where(WebSessionRow.token_hash == digest_of(token))
            )

    def end_all(self, person_id: PersonId, *, but: str | None = None) -> None:
        """Sign a person out everywhere, or everywhere but in the session `but`.

        Links that would let them in again go too.
        """
        ended = delete(WebSessionRow).where(WebSessionRow.person_id == person_id)
        if but is not None:
            ended = ended.where(WebSessionRow.token_hash != digest_of(but))
        with self._database.session_scope() as session:
            session.execute(ended)
            session.execute(delete(SignInLinkRow).where(SignInLinkRow.person_id == person_id))

    def _row(self, person_id: str, token: str, browser: str) -> WebSessionRow:
        return WebSessionRow(
            token_hash=digest_of(token),
            person_id=person_id,
            browser=browser[:_MAX_BROWSER_CHARS],
            expires_at=now() + self.lifetime,
        )


def new_secret() -> str:
    """256 random bits, as text for addresses and cookies."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def digest_of(secret: str) -> str:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _used_link() -> SignInLinkError:
    return SignInLinkError(
        "this sign-in link was used already or has expired; 'cimiento sign-in' makes a new one"
    )
