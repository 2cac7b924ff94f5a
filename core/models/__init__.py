"""Model files: which ones are known, where their bytes come from, where they lie on disk.

Refuses any byte that the catalogue does not pin, and fetches nothing unless `pull` is called.
"""

from core.models.catalogue import CATALOGUE, ModelFile, ModelKind, ModelSpec, get_spec
from core.models.errors import (
    ModelCorruptError,
    ModelMissingError,
    ModelPullError,
    UnknownModelError,
)
from core.models.progress import ProgressListener, PullProgress, ignore_progress
from core.models.sources import LocalFolder, ModelSource, PackageIndex, build_sources
from core.models.store import FileCheck, ModelCheck, ModelStatus, ModelStore, Pulled

__all__ = [
    "CATALOGUE",
    "FileCheck",
    "LocalFolder",
    "ModelCheck",
    "ModelCorruptError",
    "ModelFile",
    "ModelKind",
    "ModelMissingError",
    "ModelPullError",
    "ModelSource",
    "ModelSpec",
    "ModelStatus",
    "ModelStore",
    "PackageIndex",
    "ProgressListener",
    "PullProgress",
    "Pulled",
    "UnknownModelError",
    "build_sources",
    "get_spec",
    "ignore_progress",
]
