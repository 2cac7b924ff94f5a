"""The examples of README.md, as a reader would copy them."""

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e.service import Service

README: Final = Path(__file__).parent.parent.parent / "README.md"
_EXAMPLE: Final = re.compile(
    r"^<!-- run: (\w+) -->\n```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
_ADDRESS: Final = "http://127.0.0.1:8420"
_COMMAND: Final = ".venv/bin/cimiento"


@dataclass(frozen=True)
class Example:
    """One block of README.md."""

    language: str
    text: str

    def run(self, service: Service, folder: Path, **environment: str) -> str:
        """Run it in `folder` against a service; what it prints."""
        text = self.text.replace(_ADDRESS, service.base_url)
        text = text.replace(_COMMAND, shlex.join([sys.executable, "-m", "app.cli"]))
        run = subprocess.run(
            [*_INTERPRETERS[self.language], text],
            cwd=folder,
            env={**service.place.environment, "PYTHONPATH": str(README.parent), **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        return run.stdout


_INTERPRETERS: Final[Mapping[str, list[str]]] = {
    "sh": ["sh", "-euc"],
    "python": [sys.executable, "-c"],
}


def examples() -> dict[str, Example]:
    """Every marked example, by its name."""
    found = _EXAMPLE.findall(README.read_text(encoding="utf-8"))
    return {name: Example(language, text) for name, language, text in found}
