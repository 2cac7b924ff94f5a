"""Adapters that come with the service, by name: a folder each, with its card and its data's."""

from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parent
_FILE: Final = "adapter.safetensors"


def built_in_adapters() -> dict[str, Path]:
    """The file of each, by its name."""
    return {path.parent.name: path for path in sorted(_ROOT.glob(f"*/{_FILE}"))}


def find_adapter(named: Path) -> Path:
    """The file that a name of ours means; what else is named is a path, and stays as it is.

    A file of that name in the working folder goes before.
    """
    return named if named.exists() else built_in_adapters().get(str(named), named)
