"""Passwords: hashed with Argon2id, few at a time. Never stores, logs or repeats one."""

import threading
from functools import cached_property
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from app.people.errors import WeakPasswordError

MIN_CHARS: Final = 12
MAX_CHARS: Final = 256
# A hash takes 64 MiB and a core for a while: a flood of sign-ins must not take the service down.
_AT_ONCE: Final = 2
_MIN_DIFFERENT: Final = 5
# A shorter name is in many a good password by chance.
_MIN_TELLING_NAME: Final = 4


class Passwords:
    """Makes and checks hashes. Thread-safe; blocks, so never call it on the event loop."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turns = threading.BoundedSemaphore(_AT_ONCE)

    def hash(self, password: str, *, name: str) -> str:
        """The hash of a new password of `name`. Raises `WeakPasswordError`."""
        _refuse_weak(password, name)
        with self._turns:
            return self._hasher.hash(password)

    def hash_again(self, password: str) -> str:
        """The hash of a password that is in use already, with the present parameters."""
        with self._turns:
            return self._hasher.hash(password)

    def matches(self, password: str, stored: str | None) -> bool:
        """Whether this is the password. With nothing stored, works as long and says no."""
        with self._turns:
            try:
                self._hasher.verify(stored or self._nobodys, password[: MAX_CHARS + 1])
            except (VerifyMismatchError, InvalidHashError):
                return False
        return stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether a hash was made with other parameters than new ones are."""
        return self._hasher.check_needs_rehash(stored)

    @cached_property
    def _nobodys(self) -> str:
        # checked where there is no account, so that its absence cannot be told from the time
        return self._hasher.hash("nobody has this password")


def _refuse_weak(password: str, name: str) -> None:
    if not MIN_CHARS <= len(password) <= MAX_CHARS:
        raise WeakPasswordError(f"a password has {MIN_CHARS} to {MAX_CHARS} characters")
    plain, plain_name = password.casefold(), name.casefold()
    holds_name = len(plain_name) >= _MIN_TELLING_NAME and plain_name in plain
    if len(set(plain)) < _MIN_DIFFERENT or holds_name:
        raise WeakPasswordError(
            f"a password has at least {_MIN_DIFFERENT} different characters, "
            "and not its owner's name in it"
        )
