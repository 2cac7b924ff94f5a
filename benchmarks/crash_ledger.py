"""What the crash matrix was promised, and what it may hold the service to. Knows no process."""

from dataclasses import dataclass, field

from benchmarks.crash_documents import Original


@dataclass(slots=True)
class Promise:
    """One name: the version that was acknowledged last, by hash and marker; None where deleted."""

    original: Original
    sha256: str | None = None
    marker: str | None = None


@dataclass(frozen=True, slots=True)
class Attempted:
    """A request whose answer never came: what stood before, and what may stand now."""

    name: str
    sha256: str | None
    marker: str | None


@dataclass(slots=True)
class Ledger:
    """Every promise, and every marker that must never be found again."""

    promises: dict[str, Promise]
    # Deleted, or never accepted: dead from now on.
    dead: list[str] = field(default_factory=list)
    # Replaced: dead as soon as what replaced them is searchable.
    replaced: list[str] = field(default_factory=list)
    attempted: Attempted | None = None
    faults: list[str] = field(default_factory=list)

    def acknowledge(self, name: str, sha256: str | None, marker: str | None) -> None:
        """The service said yes: `sha256` stands under the name, or nothing where it is None."""
        promise = self.promises[name]
        if promise.marker is not None and promise.marker != marker:
            (self.dead if sha256 is None else self.replaced).append(promise.marker)
        if sha256 is None:
            # What had been replaced is gone with its document, whether or not it ever came.
            of_name = [each for each in self.replaced if each.startswith(_stem(name))]
            self.dead += of_name
            self.replaced = [each for each in self.replaced if each not in of_name]
        promise.sha256, promise.marker = sha256, marker
        self.attempted = None

    def settle(self, found: dict[str, str]) -> None:
        """Compare what is there, the newest hash by name, with what was promised."""
        attempted = self.attempted
        if attempted is not None:
            promise = self.promises[attempted.name]
            stands = found.get(attempted.name)
            if stands == attempted.sha256 and stands != promise.sha256:
                self.acknowledge(attempted.name, attempted.sha256, attempted.marker)
            elif attempted.marker not in (None, promise.marker):
                self.dead.append(str(attempted.marker))
            self.attempted = None
        for name, promise in self.promises.items():
            if found.get(name) != promise.sha256:
                self.faults.append(
                    f"{name}: {found.get(name)} stands, {promise.sha256} was promised"
                )
        self.faults += [f"{name} was never uploaded" for name in found if name not in self.promises]


def new_marker(name: str, number: int, seed: int) -> str:
    """A word that stands nowhere else, one for every version of every name."""
    return f"{_stem(name)}s{seed}v{number:04}q"


def _stem(name: str) -> str:
    return f"zx{name[:2]}"
