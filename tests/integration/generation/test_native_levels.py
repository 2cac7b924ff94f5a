"""Every library that an image would hold computes the same, as far as this processor can run it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import torch
import torch.nn.functional as F

from generation.engine.native.blocked import multiply
from generation.engine.native.compiling import find_compiler
from generation.engine.native.levels import LEVELS, Level, read_flags
from generation.engine.native.library import Library, load_library
from tests.house import ROOT
from tests.unit.generation.engine.native.models import pack_eight, pack_four, round_rows

CPUINFO: Final = "generation.engine.native.levels._CPUINFO"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the image's build makes, by the command that it runs."""
    if find_compiler() is None:
        pytest.skip("g++ is missing")
    folder = tmp_path_factory.mktemp("prebuilt")
    command = [sys.executable, "-m", "generation.engine.native.levels", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True)
    return folder


@pytest.fixture(params=LEVELS, ids=lambda level: level.name)
def library(
    request: pytest.FixtureRequest,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Library:
    """The library of one level, as a processor of just that level would find it."""
    level: Level = request.param
    if not level.needs <= read_flags():
        pytest.skip(f"this processor cannot run what is compiled for {level.name}")
    listing = tmp_path / "cpuinfo"
    listing.write_text(f"flags\t\t: {' '.join(level.needs)}\n")
    monkeypatch.setattr(CPUINFO, listing)
    # nothing but this library can then be found
    monkeypatch.setenv("PATH", os.devnull)
    found = load_library(tmp_path / "compiled", prebuilt=folder)
    assert found is not None
    return found


@pytest.mark.parametrize("num_rows", [1, 3, 16])
def test_four_bits_multiply_as_the_numbers_they_stand_for(library: Library, num_rows: int) -> None:
    draws = torch.Generator().manual_seed(0)
    packed, exact = pack_four(torch.randn(160, 96, generator=draws), library)
    x = torch.randn(num_rows, 96, generator=draws)
    found = multiply(library, packed.matrix(), x)
    torch.testing.assert_close(found, F.linear(round_rows(x), exact), atol=1e-4, rtol=1e-5)


def test_sums_of_the_largest_levels_and_inputs_do_not_overflow(library: Library) -> None:
    # two products of 15 and 127 share sixteen bits where the processor has no wider sum
    packed, exact = pack_four(torch.linspace(-1, 1, 32).repeat(32, 3), library)
    x = torch.full((1, 96), -1.0)
    found = multiply(library, packed.matrix(), x)
    torch.testing.assert_close(found, F.linear(round_rows(x), exact), atol=1e-4, rtol=1e-5)


def test_eight_bits_multiply_as_the_numbers_they_stand_for(library: Library) -> None:
    draws = torch.Generator().manual_seed(0)
    packed, exact = pack_eight(torch.randn(96, 64, generator=draws), library)
    x = torch.randn(5, 64, generator=draws)
    found = multiply(library, packed.matrix(), x)
    torch.testing.assert_close(found, F.linear(x, exact), atol=1e-4, rtol=1e-5)
