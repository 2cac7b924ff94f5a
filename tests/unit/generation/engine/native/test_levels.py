"""What was compiled ahead is opened on processors that can run it, and on no other."""

import itertools
import shutil
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from generation.engine.native import levels
from generation.engine.native.blocked import multiply
from generation.engine.native.compiling import compile_step, find_compiler
from generation.engine.native.levels import LEVELS, best_level, find_prebuilt, read_flags
from generation.engine.native.library import load_library
from tests.unit.generation.engine.native.models import pack_four, round_rows

# of the kinds that differ: what /proc/cpuinfo says there, shortened to what is asked for
HASWELL = frozenset(
    {
        *("fpu", "cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3", "erms"),
        *("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"),
    }
)
SKYLAKE = HASWELL | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
CASCADE_LAKE = SKYLAKE | {"avx512_vnni"}
ZEN4 = CASCADE_LAKE | {"avx512_bf16", "avx512_vbmi2"}


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        (ZEN4, "avx512bf16"),
        (CASCADE_LAKE, "avx512vnni"),
        (SKYLAKE, "avx512"),
        (HASWELL, "avx2"),
        # a Knights Landing has some of AVX-512; a level is had whole or not at all
        (HASWELL | {"avx512f", "avx512cd"}, "avx2"),
        (HASWELL - {"fma"}, None),
        (frozenset(), None),
    ],
)
def test_a_processor_gets_the_best_level_that_it_can_run(
    flags: frozenset[str], name: str | None
) -> None:
    level = best_level(flags)
    assert (level and level.name) == name


def test_every_level_asks_for_more_than_the_next() -> None:
    for better, worse in itertools.pairwise(LEVELS):
        assert better.needs > worse.needs


def test_of_processors_of_two_kinds_what_both_can_do_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = tmp_path / "cpuinfo"
    listing.write_text("processor\t: 0\nflags\t\t: fpu avx2 fma\n\nflags\t\t: fpu avx2\n")
    monkeypatch.setattr(levels, "_CPUINFO", listing)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert read_flags() == {"fpu", "avx2"}
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert read_flags() == frozenset()


@pytest.fixture(scope="module")
def prebuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the one level that this machine would take: each compiles for seconds."""
    level, compiler = best_level(read_flags()), find_compiler()
    if level is None or compiler is None:
        pytest.skip("no library is compiled ahead for this kind of processor")
    folder = tmp_path_factory.mktemp("prebuilt")
    compile_step(folder, levels._name(level), compiler=compiler, options=level.options)
    return folder


def test_without_a_compiler_the_library_compiled_ahead_multiplies(
    prebuilt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = load_library(tmp_path / "compiled", prebuilt=prebuilt)
    assert found is not None
    # nothing is written where there is nothing to compile: the folder may be read-only
    assert not (tmp_path / "compiled").exists()
    draws = torch.Generator().manual_seed(0)
    packed, exact = pack_four(torch.randn(160, 96, generator=draws), found)
    x = torch.randn(3, 96, generator=draws)
    expected = F.linear(round_rows(x), exact)
    torch.testing.assert_close(multiply(found, packed.matrix(), x), expected, atol=1e-4, rtol=1e-5)


def test_a_processor_that_cannot_run_it_does_without(
    prebuilt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = tmp_path / "cpuinfo"
    listing.write_text("flags\t\t: fpu sse4_2 avx\n")
    monkeypatch.setattr(levels, "_CPUINFO", listing)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert load_library(tmp_path / "compiled", prebuilt=prebuilt) is None


def test_a_library_of_another_source_or_half_a_file_is_left_alone(
    prebuilt: Path, tmp_path: Path
) -> None:
    (whole,) = prebuilt.iterdir()
    step, level, source, own = whole.stem.split("-")
    other = "0" * len(source)
    shutil.copyfile(whole, tmp_path / f"{step}-{level}-{other}-{own}.so")
    (tmp_path / whole.name).write_bytes(whole.read_bytes()[:1000])
    assert find_prebuilt(tmp_path) is None
    assert find_prebuilt(prebuilt) == whole
