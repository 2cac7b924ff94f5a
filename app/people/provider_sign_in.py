"""Signing in through an identity provider: send the browser there, and take it back once."""

import hmac
from dataclasses import dataclass
from typing import Final

from app.people.accounts import People, person_caller
from app.people.audit import AuditLog, Deed
from app.people.errors import SignInRefusedError
from app.people.identities import Identities
from app.people.provider import Attempt, Provider
from app.people.sessions import Sessions, new_secret
from app.people.signing_in import Visit

ATTEMPT_LIFETIME_S: Final = 600


@dataclass(frozen=True, slots=True)
class Returned:
    """What the browser brings back from the provider; `error` where that has refused."""

    state: str = ""
    code: str = ""
    issuer: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderSignIn:
    """How people get in through a provider; `title` is what the page calls it.

    What proves that the same browser comes back is kept in that browser alone, in a cookie that
    only this service reads: strangers make no rows here.
    """

    title: str
    provider: Provider
    identities: Identities
    people: People
    sessions: Sessions
    audit: AuditLog

    def begin(self) -> tuple[str, str]:
        """Where the browser is sent, and the cookie that it keeps meanwhile.

        Raises `ProviderFailedError`.
        """
        attempt = Attempt(new_secret(), new_secret(), new_secret())
        cookie = ".".join((attempt.state, attempt.nonce, attempt.code_verifier))
        return self.provider.authorization_url(attempt), cookie

    def finish(self, returned: Returned, cookie: str, visit: Visit) -> str:
        """Open a session for whoever came back; returns its token.

        Raises `SignInRefusedError`, `ProviderFailedError`.
        """
        attempt = _attempt(cookie)
        if attempt is None or not hmac.compare_digest(attempt.state, returned.state):
            raise SignInRefusedError("this sign-in was not begun in this browser; begin again")
        self.provider.check_issuer(returned.issuer)
        if returned.error is not None or not returned.code:
            raise SignInRefusedError("the identity provider let nobody in")
        identity = self.provider.fetch_identity(returned.code, attempt)
        person_id = self.identities.find_or_link(identity)
        token = self.sessions.open(person_id, browser=visit.browser)
        self.audit.record(
            Deed(
                "signed_in",
                person_caller(person_id),
                self.people.get_by_id(person_id).name,
                details={"how": "provider", "address": visit.address, "browser": visit.browser},
                request_id=visit.request_id,
            )
        )
        return token


def _attempt(cookie: str) -> Attempt | None:
    parts = cookie.split(".")
    return Attempt(*parts) if len(parts) == len(("state", "nonce", "verifier")) else None
