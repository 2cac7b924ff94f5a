"""Print figures as a table and write them as JSON with the machine they were measured on."""

import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import torch


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a figure depends on beside the code: without it two figures cannot be compared."""

    benchmark: str
    commit: str
    machine: str
    cpu_capability: str
    num_threads: int
    python: str
    torch: str
    settings: Mapping[str, str | int | float]


def build_manifest(benchmark: str, settings: Mapping[str, str | int | float]) -> Manifest:
    return Manifest(
        benchmark=benchmark,
        commit=_read_commit(),
        machine=str(torch.cpu.get_capabilities().get("cpu_name") or platform.machine()),
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        num_threads=torch.get_num_threads(),
        python=platform.python_version(),
        torch=version("torch"),
        settings=settings,
    )


def report(figures: Mapping[str, float], manifest: Manifest, *, json_path: Path | None) -> None:
    """Print one line per figure; with `json_path` also write {"figures": ..., "manifest": ...}."""
    width = max(len(name) for name in figures)
    for name, value in figures.items():
        print(f"{name:<{width}}  {value:>14,.2f}")
    if json_path is not None:
        content = {"figures": dict(figures), "manifest": asdict(manifest)}
        json_path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _read_commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"
