"""A checkpoint folder: config.json and weights in one or several safetensors files.

Refuses a file whose header its own bytes contradict (the safetensors package checks that), a shard
outside the folder, and number formats that are not plain weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import safetensors
from safetensors import SafetensorError
from torch import Tensor

from generation.engine.errors import UnsupportedModelError, WeightsFileError
from generation.engine.json_fields import JsonFields, load_json

_SINGLE: Final = "model.safetensors"
_INDEX: Final = "model.safetensors.index.json"
_DTYPES: Final = ("F32", "F16", "BF16", "F64")


@dataclass(frozen=True, slots=True)
class StoredTensor:
    file: str
    shape: tuple[int, ...]
    dtype: str


class SafetensorsFolder:
    """An open checkpoint: its configuration and tensors by name. Use it as a context manager.

    Raises WeightsFileError for a damaged folder, FileNotFoundError where there is none.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise FileNotFoundError(f"no folder {path}")
        self.path = path
        self.config = load_json(path / "config.json")
        self.files = find_weight_files(path)
        self._open: dict[str, Any] = {}
        try:
            self.tensors = self._list_tensors()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._open.clear()

    def load_tensor(self, name: str) -> Tensor:
        """In the file's own number format; it may share the memory that maps the file."""
        info = self.tensors.get(name)
        if info is None:
            raise WeightsFileError(f"{self.path.name} has no tensor {name!r}")
        if info.dtype not in _DTYPES:
            raise UnsupportedModelError(
                f"tensor {name!r} has type {info.dtype}; supported: {', '.join(_DTYPES)}"
            )
        try:
            tensor: Tensor = self._open[info.file].get_tensor(name)
        except SafetensorError as error:
            raise WeightsFileError(f"{info.file}: {name!r}: {error}; fetch it again") from error
        return tensor

    def _list_tensors(self) -> dict[str, StoredTensor]:
        tensors: dict[str, StoredTensor] = {}
        for path in self.files:
            for name, info in self._open_file(path).items():
                if name in tensors:
                    raise WeightsFileError(
                        f"{name!r} is in {tensors[name].file} and in {path.name}; fetch them again"
                    )
                tensors[name] = info
        return tensors

    def _open_file(self, path: Path) -> Mapping[str, StoredTensor]:
        try:
            opened: Any = safetensors.safe_open(path, framework="pt", device="cpu")  # untyped
            self._open[path.name] = opened
            slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118
            return {
                name: StoredTensor(path.name, tuple(part.get_shape()), part.get_dtype())
                for name, part in slices.items()
            }
        except (SafetensorError, OSError) as error:
            raise WeightsFileError(f"{path.name}: {error}; fetch it again") from error


def find_weight_files(folder: Path) -> list[Path]:
    """The one weights file, or the shards that the index names, in order."""
    if not (folder / _INDEX).exists():
        return [_existing(folder / _SINGLE)]
    index = load_json(folder / _INDEX)
    names = _list_shards(index.get_object("weight_map"))
    if not names:
        raise WeightsFileError(f"{_INDEX} names no file; fetch it again")
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise WeightsFileError(f"{_INDEX} names {name!r}, which is no file of this folder")
    return [_existing(folder / name) for name in names]


def _list_shards(weight_map: JsonFields) -> list[str]:
    return sorted({weight_map.get_str(name) for name in weight_map.keys()})  # noqa: SIM118


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise WeightsFileError(f"{path.parent.name} has no {path.name}; fetch the folder again")
    return path
