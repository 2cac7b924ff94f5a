"""Load the step for this processor, compiled here once, or ahead for kinds of processors.

The C++ shares torch's own OpenMP threads: it is linked against nothing, and finds the library that
torch has loaded. A second set of threads would keep the first from its cores (benchmarks/LOG.md).
"""

import ctypes
import functools
import logging
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from generation.engine.native.compiling import (
    ask_compiler,
    compile_step,
    find_compiled,
    find_compiler,
    hash_step,
)
from generation.engine.native.levels import PREBUILT, find_prebuilt

_log = logging.getLogger(__name__)

_NATIVE: Final = "-march=native"
_NULL: Final = 0


class Matrix(ctypes.Structure):
    """As in shapes.h, which says what the fields are; so are the others."""

    _fields_ = (
        ("weights", ctypes.c_void_p),
        ("scales", ctypes.c_void_p),
        ("bias", ctypes.c_void_p),
        ("kind", ctypes.c_int32),
        ("num_out", ctypes.c_int32),
        ("num_in", ctypes.c_int32),
        ("unused", ctypes.c_int32),
    )


class Layer(ctypes.Structure):
    _fields_ = (
        *((name, Matrix) for name in ("qkv", "out", "gate_up", "down")),
        *(
            (name, ctypes.c_void_p)
            for name in (
                "attention_norm",
                "feed_forward_norm",
                "attention_out_norm",
                "feed_forward_out_norm",
                "q_norm",
                "k_norm",
                "keys",
                "values",
                "cos",
                "sin",
            )
        ),
        ("window", ctypes.c_int64),
    )


class Model(ctypes.Structure):
    _fields_ = (
        ("layers", ctypes.POINTER(Layer)),
        ("norm", ctypes.c_void_p),
        ("num_slots", ctypes.c_int64),
        *(
            (name, ctypes.c_int32)
            for name in (
                "num_layers",
                "d_model",
                "d_ff",
                "num_heads",
                "num_kv_heads",
                "head_dim",
                "page_size",
                "activation",
                "cache_is_float32",
            )
        ),
        ("eps", ctypes.c_float),
        ("score_scale", ctypes.c_float),
    )


class Batch(ctypes.Structure):
    _fields_ = (
        ("positions", ctypes.c_void_p),
        ("first_page", ctypes.c_void_p),
        ("pages", ctypes.c_void_p),
        ("num_rows", ctypes.c_int32),
    )


@dataclass(frozen=True, slots=True)
class Library:
    """The compiled functions; step.cpp says what they do."""

    run_step: Any
    run_product: Any
    step_memory: Any


def address(tensor: Tensor | None) -> int:
    """Where a tensor's numbers begin; whoever hands the address on keeps the tensor."""
    return _NULL if tensor is None else tensor.data_ptr()


@functools.cache
def load_library(folder: Path, *, prebuilt: Path = PREBUILT) -> Library | None:
    """The step for this processor, from `folder` or compiled into it: three seconds, once.

    Without a compiler, from `prebuilt`, where an image has them for several kinds of processors.
    None where there is neither, or where torch has no threads to share; the log says why.
    """
    openmp = _find_openmp()
    if openmp is None:
        _log.info("decoding runs on PyTorch alone: it is quicker where torch runs on GNU OpenMP")
        return None
    try:
        # everybody's names: the library is linked against nothing and finds them here
        ctypes.CDLL(openmp, mode=ctypes.RTLD_GLOBAL)
        compiler = find_compiler()
        path = find_prebuilt(prebuilt) if compiler is None else _build(folder, compiler)
        if path is None:
            _log.info(
                "decoding runs on PyTorch alone: it is quicker where a C++ compiler (g++) is found"
            )
            return None
        return _open(path)
    except (OSError, subprocess.SubprocessError, AttributeError) as error:
        _log.warning("decoding runs on PyTorch alone: its C++ was not built (%s)", _reason(error))
        return None


def _find_openmp() -> str | None:
    """The GNU OpenMP library that torch has brought into this process; Linux only."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    paths = (line.split(maxsplit=5)[-1] for line in lines if "libgomp" in line)
    return next(paths, None)


def _build(folder: Path, compiler: str) -> Path:
    # what -march=native means here, and which compiler says so
    native = ask_compiler(compiler, _NATIVE, "-Q", "--help=target")
    version = ask_compiler(compiler, "-dumpfullversion")
    name = f"step-{hash_step(native, version, compiler, platform.machine(), _NATIVE)}"
    found = find_compiled(folder, name)
    return found or compile_step(folder, name, compiler=compiler, options=(_NATIVE,))


def _open(path: Path) -> Library:
    loaded = ctypes.CDLL(str(path), mode=os.RTLD_NOW | os.RTLD_LOCAL)
    sizes = (ctypes.c_int64 * 4)()
    loaded.layout_sizes(sizes)
    ours = [ctypes.sizeof(kind) for kind in (Matrix, Layer, Model, Batch)]
    if list(sizes) != ours:
        raise OSError(f"its structures have {list(sizes)} bytes, Python's {ours}")
    loaded.step_memory.restype = ctypes.c_int64
    for function in (loaded.run_step, loaded.run_product):
        function.restype = None
    return Library(loaded.run_step, loaded.run_product, loaded.step_memory)


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return str(error.stderr).strip().splitlines()[0][:200] if error.stderr else str(error)
    return str(error)
