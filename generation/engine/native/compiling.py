"""Make a library of the step's C++. Imports no torch, so that an image can be built without it.

A file's name says what it was made of and by, and ends with a hash of its own bytes.
"""

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_SOURCES: Final = Path(__file__).parent
_COMPILERS: Final = ("g++", "c++")
_OPTIONS: Final = ("-std=c++17", "-O3", "-fPIC", "-fopenmp")
_COMPILE_WITHIN_S: Final = 600
_HASH_CHARS: Final = 16


def find_compiler() -> str | None:
    """The C++ compiler of this machine, if it has one."""
    return next(filter(None, map(shutil.which, _COMPILERS)), None)


def compile_step(folder: Path, name: str, *, compiler: str, options: Sequence[str]) -> Path:
    """Compile into `folder`, as `name` and the hash of what came out: some three seconds.

    Raises OSError and `subprocess.SubprocessError`, and then leaves nothing behind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="compiling-") as draft:
        compiled, linked = Path(draft) / "step.o", Path(draft) / "step.so"
        source = str(_SOURCES / "step.cpp")
        ask_compiler(compiler, *_OPTIONS, *options, "-c", source, "-o", str(compiled))
        # without -fopenmp: what it names is found in torch's library when this one is opened
        ask_compiler(compiler, "-shared", "-o", str(linked), str(compiled))
        return linked.replace(folder / f"{name}-{_hash_of(linked)}.so")


def find_compiled(folder: Path, name: str) -> Path | None:
    """What `compile_step` made under that name, if it is whole."""
    named = folder.glob(f"{name}-{'?' * _HASH_CHARS}.so")
    # opening half a file would end this process
    return next((kept for kept in named if kept.stem.endswith(_hash_of(kept))), None)


def hash_step(*facts: str) -> str:
    """A hash of the source, of how it is compiled, and of whatever else decides what comes out."""
    digest = hashlib.sha256()
    for path in sorted((*_SOURCES.glob("*.h"), *_SOURCES.glob("*.cpp"))):
        digest.update(path.read_bytes())
    digest.update(" ".join((*_OPTIONS, *facts)).encode())
    return digest.hexdigest()[:_HASH_CHARS]


def ask_compiler(compiler: str, *arguments: str) -> str:
    """What it prints. Raises OSError and `subprocess.SubprocessError`."""
    done = subprocess.run(  # noqa: S603  # the compiler that is on the path, on our own source
        (compiler, *arguments),
        check=True,
        capture_output=True,
        timeout=_COMPILE_WITHIN_S,
        text=True,
    )
    return done.stdout


def _hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:_HASH_CHARS]
