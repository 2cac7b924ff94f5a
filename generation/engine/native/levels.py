"""Compile the step ahead, for kinds of processors rather than for one, and say which kind this is.

For machines without a compiler, such as containers: `python -m generation.engine.native.levels
FOLDER` where there is one. Imports no torch. A library is never opened on a processor that lacks
an instruction which it may use: that would end the process without a word.
"""

import platform
import sys
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from generation.engine.native.compiling import (
    compile_step,
    find_compiled,
    find_compiler,
    hash_step,
)

# where an image puts them; a checkout and a wheel have none
PREBUILT: Final = Path(__file__).parent / "prebuilt"
_MACHINE: Final = "x86_64"
_CPUINFO: Final = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Level:
    """A kind of processor.

    options: what the compiler is told.
    needs: what a processor must have, in the words of /proc/cpuinfo.
    """

    name: str
    options: tuple[str, ...]
    needs: frozenset[str]


# The levels of the psABI, https://gitlab.com/x86-psABIs/x86-64-ABI: `abm` is its LZCNT, `pni` its
# SSE3; all of it but OSXSAVE, which the kernel answers for by listing `avx`.
_V3: Final = frozenset(
    {
        *("cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"),
        *("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"),
    }
)
_V4: Final = _V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
_AVX512: Final = ("-march=x86-64-v4", "-mprefer-vector-width=512")

# The best first. One for each set of instructions that the C++ asks for by name.
LEVELS: Final = (
    Level(
        "avx512bf16",
        (*_AVX512, "-mavx512vnni", "-mavx512bf16"),
        _V4 | {"avx512_vnni", "avx512_bf16"},
    ),
    Level("avx512vnni", (*_AVX512, "-mavx512vnni"), _V4 | {"avx512_vnni"}),
    Level("avx512", _AVX512, _V4),
    Level("avx2", ("-march=x86-64-v3",), _V3),
)


def best_level(flags: Set[str]) -> Level | None:
    """The best one for a processor with these flags; None where all ask for more."""
    return next((level for level in LEVELS if level.needs <= flags), None)


def read_flags() -> frozenset[str]:
    """What this machine's processor can do; nothing where it does not say, or is of another kind.

    With processors of several kinds in one machine, what all of them can do.
    """
    if platform.machine() != _MACHINE:
        return frozenset()
    try:
        lines = _CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    every = [frozenset(line.partition(":")[2].split()) for line in lines if line[:5] == "flags"]
    return frozenset.intersection(*every) if every else frozenset()


def find_prebuilt(folder: Path) -> Path | None:
    """The library in `folder` for this processor, of this very source; None where there is none."""
    level = best_level(read_flags())
    return None if level is None else find_compiled(folder, _name(level))


def prebuild(folder: Path, compiler: str) -> tuple[Path, ...]:
    """Compile for every level into `folder`: some fifteen seconds.

    Raises OSError and `subprocess.SubprocessError`.
    """
    return tuple(
        compile_step(folder, _name(level), compiler=compiler, options=level.options)
        for level in LEVELS
    )


def _name(level: Level) -> str:
    return f"step-{level.name}-{hash_step(*level.options)}"


def _main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m generation.engine.native.levels FOLDER")
    if platform.machine() != _MACHINE:
        sys.exit(0)  # an image for another kind of machine does without
    compiler = find_compiler()
    if compiler is None:
        sys.exit("a C++ compiler (g++) is needed")
    for library in prebuild(Path(sys.argv[1]), compiler):
        sys.stdout.write(f"{library}\n")


if __name__ == "__main__":
    _main()
