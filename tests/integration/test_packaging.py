"""What is shipped: the wheel's files, what the image is built from, and what builds the pages."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
# as `make web` leaves them, and what it would leave beside them if somebody asked Vite for maps
BUILT: Final = (
    "index.html",
    "logo.svg",
    "assets/index-1a2b.js",
    "assets/index-1a2b.js.br",
    "assets/pdfjs-1/cmaps/78-H.bcmap",
)
MAP: Final = "assets/index-1a2b.js.map"
MAKE: Final = shutil.which("make")


def packages() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included: list[str] = project["tool"]["setuptools"]["packages"]["find"]["include"]
    return [name.rstrip("*") for name in included]


def sources(*names: str) -> list[str]:
    """Files below these that are or will be committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *names]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_the_wheel_holds_the_packages_and_the_built_pages_and_nothing_else(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name in sources(*packages(), "pyproject.toml", "README.md", "LICENSE", "NOTICE", "tests"):
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
    for name in (*BUILT, MAP):
        target = tree / "app" / "web" / "dist" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(name)
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", build, tmp_path], cwd=tree, capture_output=True, check=True
    )
    [wheel] = tmp_path.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted = {name for name in sources(*packages()) if not name.startswith("app/web/")}
    # of the client's own project
    wanted.remove("cimiento/pyproject.toml")
    assert held == wanted | {f"app/web/dist/{name}" for name in BUILT}


def test_the_image_is_built_from_what_it_needs_alone() -> None:
    sent = set(let_through(sources()))
    for name in ("tests", "benchmarks", "docs"):
        assert not [each for each in sent if each.startswith(f"{name}/")]
    assert not [each for each in sent if ".test." in each]
    needed = {name for name in sources(*packages()) if ".test." not in name}
    assert needed <= sent
    others = {"requirements/s3.txt", "pyproject.toml", "README.md", "LICENSE", "NOTICE"}
    assert sent - needed == others


def let_through(names: Iterable[str]) -> Iterable[str]:
    """What of these is sent to whoever builds the image: the last pattern that fits decides."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line.rstrip("/") for line in lines if line and not line.startswith("#")]
    for name in names:
        parents = [str(each) for each in PurePosixPath(name).parents if str(each) != "."]
        is_sent = True
        for pattern in patterns:
            if any(fits(part, pattern.removeprefix("!")) for part in (name, *parents)):
                is_sent = pattern.startswith("!")
        if is_sent:
            yield name


def fits(name: str, pattern: str) -> bool:
    """Whether one pattern of such a file fits; those that there are need no more than this."""
    if pattern.startswith("**/"):
        return PurePosixPath(name).match(pattern.removeprefix("**/"))
    return PurePosixPath(name).match(pattern) and name.count("/") == pattern.count("/")


@pytest.mark.skipif(MAKE is None, reason="no make here")
@pytest.mark.parametrize(
    ("node", "num_installs"),
    [(None, 1), ("exit 1", 1), ("exit 0", 0)],
    ids=["none", "too old", "good"],
)
def test_node_is_installed_where_the_system_has_none_that_will_do(
    tmp_path: Path, node: str | None, num_installs: int
) -> None:
    shutil.copyfile(ROOT / "Makefile", tmp_path / "Makefile")
    (tmp_path / "requirements").mkdir()
    shutil.copyfile(ROOT / "requirements/node.txt", tmp_path / "requirements/node.txt")
    system, venv = tmp_path / "system", tmp_path / ".venv"
    for folder in (system, venv / "bin"):
        folder.mkdir(parents=True)
    for tool in ("find", "touch"):
        (system / tool).symlink_to(shutil.which(tool) or tool)
    asked = tmp_path / "asked"
    script(venv / "bin" / "python", f'echo "$@" >> {asked}')
    (venv / ".torch").touch()
    if node is not None:
        script(system / "node", node)
        script(system / "npm", "exit 0")
    command = [str(MAKE), ".venv/.node"]
    environment = {"PATH": str(system)}
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    installing = "-m pip install --quiet --no-deps --require-hashes -r requirements/node.txt\n"
    assert (asked.read_text() if asked.exists() else "") == installing * num_installs


def script(path: Path, line: str) -> None:
    """A program of one line."""
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
