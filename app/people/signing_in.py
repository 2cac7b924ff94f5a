"""Signing in, with a password or a link, and changing a password. Never tells which was wrong."""

from dataclasses import dataclass

from app.people.accounts import People, person_caller
from app.people.audit import AuditLog, Deed
from app.people.errors import WrongPasswordError
from app.people.passwords import Passwords
from app.people.sessions import Sessions
from app.people.throttle import Throttle
from core.ids import PersonId

_FIRST_OWNER = "owner"


@dataclass(frozen=True, slots=True)
class Visit:
    """From where somebody signs in: what the browser says it is, and its address."""

    browser: str = ""
    address: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class SignIn:
    """How people get in."""

    people: People
    sessions: Sessions
    passwords: Passwords
    throttle: Throttle
    audit: AuditLog

    def with_password(self, name: str, password: str, visit: Visit) -> str:
        """Open a session; returns its token.

        Raises `WrongPasswordError`, the same and as late whether name or password is wrong, and
        `RateLimitedError` after too many of them.
        """
        name = name.strip().lower()
        self.throttle.refuse_after_failures(name, visit.address)
        known = self.people.password_of(name)
        person_id, stored = known or (None, None)
        if not self.passwords.matches(password, stored) or person_id is None or stored is None:
            self.throttle.count_failure(name, visit.address)
            self._record("sign_in.failed", "stranger", "", visit)
            raise WrongPasswordError("name and password do not belong together")
        if self.passwords.is_outdated(stored):
            self.people.set_password(person_id, self.passwords.hash_again(password))
        return self._open(person_id, visit, how="password")

    def with_link(self, token: str, visit: Visit, *, password: str | None = None) -> str:
        """Use a link up, choose a password where one is given, and open a session.

        Raises `SignInLinkError`, and `WeakPasswordError`, which leaves the link as it was.
        """
        password_hash = None
        if password is not None:
            person_id = self.sessions.find_person_of_link(token)
            name = _FIRST_OWNER if person_id is None else self.people.get_by_id(person_id).name
            password_hash = self.passwords.hash(password, name=name)
        person_id, session_token = self.sessions.redeem_link(
            token, browser=visit.browser, password_hash=password_hash
        )
        self._record_sign_in(person_id, visit, how="link")
        return session_token

    def change_password(
        self, person_id: PersonId, *, current: str | None, new: str, this: str
    ) -> None:
        """Take another password; every other session of the person ends.

        `current` is asked of whoever has one. Raises `WrongPasswordError`, `WeakPasswordError`,
        `RateLimitedError`.
        """
        person = self.people.get_by_id(person_id)
        if person.has_password:
            known = self.people.password_of(person.name)
            stored = None if known is None else known[1]
            self.throttle.refuse_after_failures(person.name, person_caller(person_id))
            if not self.passwords.matches(current or "", stored):
                self.throttle.count_failure(person.name, person_caller(person_id))
                raise WrongPasswordError("that is not the present password")
        self.people.set_password(person_id, self.passwords.hash(new, name=person.name))
        self.sessions.end_all(person_id, but=this)

    def _open(self, person_id: PersonId, visit: Visit, *, how: str) -> str:
        token = self.sessions.open(person_id, browser=visit.browser)
        self._record_sign_in(person_id, visit, how=how)
        return token

    def _record_sign_in(self, person_id: PersonId, visit: Visit, *, how: str) -> None:
        name = self.people.get_by_id(person_id).name
        self._record("signed_in", person_caller(person_id), name, visit, how=how)

    def _record(self, action: str, actor: str, label: str, visit: Visit, **details: str) -> None:
        known = {"address": visit.address, "browser": visit.browser, **details}
        self.audit.record(Deed(action, actor, label, details=known, request_id=visit.request_id))
