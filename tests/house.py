"""The house as text: its modules parsed, its pages read. For the tests that hold its rules."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).parent.parent
PACKAGES: Final = (
    *("app", "core", "generation", "ingestion", "retrieval"),
    *("cimiento", "migrations", "benchmarks", "tests"),
)

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = ast.ClassDef | Function


class Module(NamedTuple):
    """A source file, parsed."""

    name: str
    path: Path
    text: str
    tree: ast.Module


@cache
def modules() -> tuple[Module, ...]:
    """Every module of the house, by path."""
    paths = sorted(
        path
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "node_modules" not in path.parts  # what npm brings is not ours
    )
    return tuple(_parse(path) for path in paths)


def _parse(path: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    return Module(path.relative_to(ROOT).as_posix(), path, text, ast.parse(text))


# other people's documents, which tests read: their links lead elsewhere
FOREIGN = "tests/e2e/documents/sobre-https.md"


@cache
def text_files() -> dict[str, str]:
    """Every text file that git tracks or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    found = {}
    for name in filter(None, listed.stdout.split("\0")):
        if name.startswith(FOREIGN):
            continue
        try:
            found[name] = (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue  # a picture, or a file that was just removed
    return found


def doc(name: str) -> str:
    """A page of the docs."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def functions(tree: ast.AST) -> Iterator[Function]:
    """Every function and method."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def fail_with(faults: list[str], remedy: str) -> None:
    """Fail, listing every fault and saying what to do."""
    if faults:
        pytest.fail(f"{remedy}:\n  " + "\n  ".join(sorted(faults)), pytrace=False)
