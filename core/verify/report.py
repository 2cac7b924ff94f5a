"""What a verification found. Plain data."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not agree: what kind, which one, and whether it was mended."""

    kind: str
    subject: str
    detail: str
    mended: bool = False


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was looked at, by count, and what did not agree."""

    checked: dict[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def is_ok(self) -> bool:
        """Whether everything agrees now."""
        return all(finding.mended for finding in self.findings)
