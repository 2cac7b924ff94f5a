"""What training made, beside rows and documents: taken along, and put where it is found again.

Adapters of collections, by their rows; the files that settings name; embedding models that were
tuned here. Models that were pulled are pinned and can be pulled again.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from sqlalchemy.orm import Session

from app.adapters import live_files
from app.backup.errors import BackupDamagedError
from app.backup.folder import BackupFolder
from app.backup.manifest import ExtraFile, Manifest
from core.blobs import blob_path, hash_file
from core.settings import ADAPTERS_FOLDER, Settings
from core.tuned_embedding import TUNED

_ADAPTER_KEY: Final = "CIMIENTO_MODELS__ADAPTER"
_NAMED: Final[Mapping[str, Callable[[Settings], Path | None]]] = {
    _ADAPTER_KEY: lambda settings: settings.models.adapter,
    "CIMIENTO_MODELS__EXTRACTOR": lambda settings: settings.models.extractor,
    "CIMIENTO_GENERATION__REWARD": lambda settings: settings.generation.reward,
    "CIMIENTO_INGESTION__CLASSIFIER": lambda settings: settings.ingestion.classifier,
    "CIMIENTO_RETRIEVAL__ROUTER": lambda settings: settings.retrieval.router,
}
_TRAINED: Final = "trained"
_MODELS: Final = "models"


@dataclass(frozen=True, slots=True)
class Trained:
    """Where it lies. `named` has the file of each setting that names one."""

    data_dir: Path
    models_dir: Path
    named: Mapping[str, Path]

    @classmethod
    def of(cls, settings: Settings) -> "Trained":
        """What these settings name; a built-in adapter is no file, and comes with the service."""
        found = {key: find(settings) for key, find in _NAMED.items()}
        named = {key: path for key, path in found.items() if path is not None and path.is_file()}
        return cls(settings.data_dir, settings.models_dir, named)


def copy_named(trained: Trained, folder: BackupFolder, known: set[str]) -> Iterator[ExtraFile]:
    """Copy the files that settings name, and the models that were tuned here.

    What is in `known` is there already, and is not written again.
    """
    for key, path in trained.named.items():
        group = key.rpartition("__")[2].lower()
        yield ExtraFile(f"{_TRAINED}/{group}/{path.name}", _keep(path, folder, known), key)
    for mark in sorted(trained.models_dir.glob(f"*/{TUNED}")):
        for path in sorted(each for each in mark.parent.rglob("*") if each.is_file()):
            place = path.relative_to(trained.models_dir).as_posix()
            yield ExtraFile(f"{_MODELS}/{place}", _keep(path, folder, known))


def copy_adapters(
    session: Session, trained: Trained, folder: BackupFolder, known: set[str]
) -> tuple[list[ExtraFile], set[str]]:
    """Copy the adapters that this snapshot has; and the hashes of those that are lost."""
    root = trained.data_dir / ADAPTERS_FOLDER
    copied: list[ExtraFile] = []
    lost: set[str] = set()
    for sha256 in sorted(live_files(session)):
        path = blob_path(root, sha256)
        if sha256 in known or (path.is_file() and _keep(path, folder, known) == sha256):
            copied.append(ExtraFile(path.relative_to(trained.data_dir).as_posix(), sha256))
        else:
            lost.add(sha256)
    return copied, lost


def _keep(path: Path, folder: BackupFolder, known: set[str]) -> str:
    sha256 = hash_file(path)
    if sha256 not in known:
        sha256 = folder.put_file(path)  # of what was copied, should it have changed meanwhile
        known.add(sha256)
    return sha256


def put_back(
    folder: BackupFolder, manifest: Manifest, *, data_dir: Path, models_dir: Path
) -> dict[str, str]:
    """Copy everything to where it is found again; the settings that name it are the result.

    Raises `BackupDamagedError`.
    """
    settings: dict[str, str] = {}
    for each in manifest.files:
        top, *rest = PurePosixPath(each.path).parts
        # what a manifest says must not lead out of the folders
        if ".." in rest or top not in (ADAPTERS_FOLDER, _TRAINED, _MODELS):
            raise BackupDamagedError(f"the backup {manifest.id} holds a file {each.path!r}")
        key = each.setting
        if top == ADAPTERS_FOLDER and len(rest) == 1:  # backups of before had that one alone
            top, key = _TRAINED, _ADAPTER_KEY
        target = (models_dir if top == _MODELS else data_dir / top).joinpath(*rest)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder.path(each.sha256), target)
        if key is not None:
            settings[key] = str(target)
    return settings
