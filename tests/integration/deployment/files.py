"""What deploys the service, as data: the Compose file and what kustomize makes of the manifests."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import typer
import yaml

from app.cli import main as command_line
from core.environment import read_files, refuse_unknown
from core.settings import Settings, setting_names
from tests.house import ROOT

# What YAML holds: every test says what it expects of it.
Tree = dict[str, Any]

DEPLOY: Final = ROOT / "deploy"
OVERLAYS: Final = ("single", "scaled", "scaled-cpu", "scaled-s3")
PROFILES: Final = ("single", "scaled", "scaled-cpu")
OUR_IMAGES: Final = ("cimiento:0.1.0", "cimiento:0.1.0-cuda")


@cache
def compose() -> Tree:
    """The Compose file, with its merges done and its variables as they stand."""
    loaded: Tree = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return loaded


def services(profile: str) -> dict[str, Tree]:
    """What a profile starts."""
    every: dict[str, Tree] = compose()["services"]
    return {name: service for name, service in every.items() if profile in service["profiles"]}


@cache
def manifests(overlay: str) -> tuple[Tree, ...]:
    """What `kubectl apply -k` would send."""
    folder = DEPLOY / "kubernetes" / overlay
    return tuple(yaml.safe_load_all(run_tool("kubectl", "kustomize", str(folder))))


def of_kind(overlay: str, *kinds: str) -> dict[str, Tree]:
    """Manifests of these kinds, by name."""
    found = manifests(overlay)
    return {each["metadata"]["name"]: each for each in found if each["kind"] in kinds}


def workloads(overlay: str) -> dict[str, Tree]:
    """What runs pods, by name."""
    return of_kind(overlay, "Deployment", "StatefulSet", "Job")


def pod_of(workload: Tree) -> Tree:
    """What a workload says of its pods."""
    spec: Tree = workload["spec"]["template"]["spec"]
    return spec


def container_of(workload: Tree) -> Tree:
    """The one container of its pods."""
    (container,) = pod_of(workload)["containers"]
    found: Tree = container
    return found


def environment_of(overlay: str, container: Tree) -> dict[str, str]:
    """The variables of a container, those of its config maps included."""
    values: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        values |= of_kind(overlay, "ConfigMap")[source["configMapRef"]["name"]]["data"]
    return values | {each["name"]: each["value"] for each in container.get("env", ())}


def settings_from(environment: Mapping[str, str], secrets: Path) -> Settings:
    """The settings that a process with this environment would have; files have a stand-in."""
    ours: dict[str, str] = {}
    for name, value in environment.items():
        if name.startswith("CIMIENTO_"):
            ours[name] = str(secrets / Path(value).name) if name.endswith("_FILE") else value
    known = setting_names()
    refuse_unknown(ours, known)
    grouped: dict[str, dict[str, str]] = {}
    for name, value in read_files(ours, known).items():
        group, _, key = name.removeprefix("CIMIENTO_").lower().partition("__")
        grouped.setdefault(group, {})[key] = value
    return Settings.model_validate(grouped)


def parse_command(arguments: list[str]) -> None:
    """Take them as our command line would, and run nothing. Raises for what it does not know."""
    command: Any = typer.main.get_command(command_line)
    rest = list(arguments)
    while hasattr(command, "commands"):
        assert rest, f"{arguments} names a group of commands, not one of them"
        command = command.commands[rest.pop(0)]
    command.make_context(command.name, rest).close()


def run_tool(*command: str, **environment: str) -> str:
    """What a tool prints; skips where it is missing, fails where it does."""
    path = shutil.which(command[0])
    if path is None:
        pytest.skip(f"{command[0]} is missing")
    done = subprocess.run(
        [path, *command[1:]],
        cwd=ROOT,
        env={"PATH": os.defpath, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def secret_names(service: Tree) -> Iterator[str]:
    """The files of secrets that a service of the Compose file is given."""
    for name in service.get("secrets", ()):
        yield f"/run/secrets/{name}"
