"""Everything that lets people and keys in, as one value; the command line opens it alone."""

from dataclasses import dataclass
from typing import Self

from app.people.accounts import People
from app.people.audit import AuditLog
from app.people.credentials import Credentials
from app.people.groups import Groups
from app.people.later import LaterWrites
from app.people.passwords import Passwords
from app.people.sessions import Sessions
from app.people.sharing import Sharing
from app.people.signing_in import SignIn
from app.people.throttle import Throttle
from app.people.usage import TokenUsage
from core.database import Database
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class Doors:
    """The rooms of people, keys and the audit log over one database."""

    people: People
    groups: Groups
    sharing: Sharing
    sessions: Sessions
    sign_in: SignIn
    credentials: Credentials
    throttle: Throttle
    usage: TokenUsage
    audit: AuditLog
    later: LaterWrites

    @classmethod
    def of(
        cls,
        settings: Settings,
        database: Database,
        passwords: Passwords | None = None,
        *,
        throttle: Throttle | None = None,
    ) -> Self:
        """The doors of a service with these settings; tests pass cheaper passwords.

        throttle: by default one that counts for this process alone.
        """
        later = LaterWrites(database)
        people, sessions = People(database), Sessions.of(settings, database)
        audit, throttle = AuditLog(database, later), throttle or Throttle()
        return cls(
            people=people,
            groups=Groups(database),
            sharing=Sharing(database),
            sessions=sessions,
            sign_in=SignIn(people, sessions, passwords or Passwords(), throttle, audit),
            credentials=Credentials(database, later),
            throttle=throttle,
            usage=TokenUsage(database),
            audit=audit,
            later=later,
        )
