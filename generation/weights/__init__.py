"""What comes with the service and was trained, by name: a folder each, with cards of its own."""

from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parent
_FILE: Final = "adapter.safetensors"
_EXTRACTOR: Final = "extractor/extractor.safetensors"


def built_in_adapters() -> dict[str, Path]:
    """The file of each, by its name."""
    return {path.parent.name: path for path in sorted(_ROOT.glob(f"*/{_FILE}"))}


def find_adapter(named: Path) -> Path:
    """The file that a name of ours means; what else is named is a path, and stays as it is.

    A file of that name in the working folder goes before.
    """
    return named if named.exists() else built_in_adapters().get(str(named), named)


def find_extractor(named: Path) -> Path:
    """The same for extractors."""
    ours = _ROOT / named / _EXTRACTOR
    return ours if not named.exists() and len(named.parts) == 1 and ours.exists() else named
