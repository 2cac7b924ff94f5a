"""What a verification looked at and found, and the seam for further checks. Plain data."""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not agree: what kind, which one, and whether it was mended."""

    kind: str
    subject: str
    detail: str
    mended: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """What one check looked at, by its name and count, and what did not agree."""

    name: str
    num_checked: int
    findings: tuple[Finding, ...] = ()


class Check(Protocol):
    """Compares one more kind of copy with the truth; mends what it finds where `repair` says so."""

    def __call__(self, *, repair: bool) -> Checked:
        """Look at everything of the kind; reports nothing that a running service may be doing."""
        ...


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was looked at, by count, and what did not agree."""

    checked: dict[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def is_ok(self) -> bool:
        """Whether everything agrees now."""
        return all(finding.mended for finding in self.findings)
