"""The compiled step, once for all tests of this folder."""

import shutil
import sys
from pathlib import Path

import pytest

from generation.engine.native.library import Library, load_library


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to compile into."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="session")
def library(compiled: Path) -> Library:
    if sys.platform != "linux" or shutil.which("g++") is None:
        pytest.skip("compiled steps need Linux and g++: 'apt-get install g++'")
    library = load_library(compiled)
    assert library is not None
    return library
