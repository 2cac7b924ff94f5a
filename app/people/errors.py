"""Errors of people: signing in, accounts, groups, sharing, limits. Knows no HTTP."""

from core.errors import CimientoError, NotFoundError


class SignInLinkError(CimientoError):
    """The sign-in link is unknown, used or expired."""

    code = "sign_in_link_invalid"


class WrongPasswordError(CimientoError):
    """Name and password do not belong together; which of them is wrong is never said."""

    code = "wrong_password"


class WeakPasswordError(CimientoError):
    """The new password is too short, too long, or too easy to guess."""

    code = "weak_password"


class PersonNotFoundError(NotFoundError):
    """Nobody of that name has an account."""

    code = "person_not_found"


class PersonExistsError(CimientoError):
    """Somebody has that name or address already."""

    code = "person_exists"


class LastOwnerError(CimientoError):
    """Without this person nobody could look after the service."""

    code = "last_owner"


class GroupNotFoundError(NotFoundError):
    """There is no group of that name."""

    code = "group_not_found"


class GroupExistsError(CimientoError):
    """There is a group of that name already."""

    code = "group_exists"


class CallerGoneError(CimientoError):
    """The key was revoked or has expired, or its owner is disabled: their work ends."""

    code = "caller_gone"


class RateLimitedError(CimientoError):
    """Too many requests or tries in a row; `retry_after_s` says when the next may come."""

    code = "rate_limited"
    retryable = True

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = max(retry_after_s, 1)


class BudgetSpentError(RateLimitedError):
    """The key has taken its tokens of the day."""

    code = "budget_spent"


class KeyNotFoundError(NotFoundError):
    """No API key has that id, or it is somebody else's."""

    code = "key_not_found"


class SignInRefusedError(CimientoError):
    """The identity provider, or what it said, lets nobody in."""

    code = "sign_in_refused"


class ProviderFailedError(CimientoError):
    """The identity provider cannot be reached, or does not speak as one."""

    code = "provider_failed"
    retryable = True
