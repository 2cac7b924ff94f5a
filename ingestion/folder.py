"""What is in a folder that a collection follows. Reads names, types and hashes; changes nothing."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.blobs import hash_file
from core.errors import CimientoError
from ingestion.errors import BadNameError, UnsupportedMediaTypeError
from ingestion.media_types import detect_media_type
from ingestion.uploads import clean_relative_path


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that can become a document; `name` is its path relative to the folder."""

    name: str
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class Passed:
    """What is in the folder and becomes no document, and why."""

    name: str
    reason: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class FolderContent:
    """Everything below a folder. Where `is_complete` is false, a part could not be listed."""

    files: tuple[FoundFile, ...]
    passed: tuple[Passed, ...]
    is_complete: bool

    @property
    def names(self) -> set[str]:
        """The name of everything that is there, readable or not."""
        return {*(each.name for each in self.files), *(each.name for each in self.passed)}


def read_folder(root: Path) -> FolderContent:
    """Look at every file below `root`. Links that lead out of it are not followed."""
    root = root.resolve()
    unlisted: list[OSError] = []
    found: dict[str, FoundFile] = {}
    passed: list[Passed] = []
    for path, reason in _walk(root, unlisted):
        relative = path.relative_to(root).as_posix()
        looked = Passed(relative, reason) if reason else _look(path, relative)
        if isinstance(looked, FoundFile) and looked.name in found:
            other = found[looked.name].path.relative_to(root)
            looked = Passed(relative, f"its name reads as that of {other}", is_error=True)
        if isinstance(looked, FoundFile):
            found[looked.name] = looked
        else:
            passed.append(looked)
    for error in unlisted:
        name = Path(error.filename).relative_to(root).as_posix()
        passed.append(Passed(name, f"cannot be listed: {error.strerror}", is_error=True))
    return FolderContent(tuple(found.values()), tuple(passed), is_complete=not unlisted)


def _walk(root: Path, unlisted: list[OSError]) -> Iterator[tuple[Path, str]]:
    """Every file, and every folder that is not entered, with the reason to pass it over or ""."""
    for place, folders, names in os.walk(root, onerror=unlisted.append):
        here = Path(place)
        for name in sorted(folders):
            if reason := _reason_not_to_enter(here / name):
                folders.remove(name)
                yield here / name, reason
        folders.sort()
        for name in sorted(names):
            yield here / name, _reason_not_to_read(here / name, root)


def _reason_not_to_enter(folder: Path) -> str:
    if folder.name.startswith("."):
        return "hidden"
    return "a link to a folder is not followed" if folder.is_symlink() else ""


def _reason_not_to_read(path: Path, root: Path) -> str:
    if path.name.startswith("."):
        return "hidden"
    if path.is_symlink() and not path.resolve().is_relative_to(root):
        return "a link that leads out of the folder"
    # a pipe would be waited for, a device read for ever
    return "" if path.is_file() else "no regular file"


def _look(path: Path, relative: str) -> FoundFile | Passed:
    try:
        name = clean_relative_path(relative)
        detect_media_type(path, path.name)
        return FoundFile(name, path, hash_file(path))
    except UnsupportedMediaTypeError as error:
        return Passed(relative, str(error))
    except (CimientoError, BadNameError) as error:
        return Passed(relative, str(error), is_error=True)
    except OSError as error:
        return Passed(relative, error.strerror or str(error), is_error=True)
