"""Which versions of the workers' HTTP protocol this code speaks. Pure; both sides ask here.

A version is a number that goes up when one side says something that the other must understand: what
may be passed over needs none, for both read over fields that they do not know. Code speaks its own
version and the one before, so that a fleet is updated one process at a time.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

HEADER: Final = "X-Cimiento-Protocol"
"""In which our requests to a worker say what they speak."""


@dataclass(frozen=True, slots=True)
class Versions:
    """Every version from the oldest to the newest."""

    oldest: int
    newest: int

    def shared_with(self, other: "Versions") -> int | None:
        """The newest that both speak; None where there is none."""
        newest = min(self.newest, other.newest)
        return newest if newest >= max(self.oldest, other.oldest) else None

    def as_fields(self) -> dict[str, int]:
        """As a worker says it of itself."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.oldest} to {self.newest}" if self.oldest != self.newest else f"{self.newest}"


SPOKEN: Final = Versions(oldest=1, newest=2)
# From here on a worker applies the adapter that a request names; before, it would pass over it.
ADAPTERS_SINCE: Final = 2
# Workers said nothing of it while there was one version only.
UNSAID: Final = Versions(oldest=1, newest=1)


def versions_in(said: object) -> Versions:
    """What a worker says that it speaks."""
    if not isinstance(said, Mapping):
        return UNSAID
    oldest, newest = said.get("oldest"), said.get("newest")
    if not isinstance(oldest, int) or not isinstance(newest, int):
        return UNSAID
    return Versions(oldest, newest)
