"""Make the pictures of README and docs from what the browser tests saw: `make pictures`.

    python -m tests.e2e.pictures

Takes the screenshots that those tests left in `test-artifacts`, and fails for one that is missing.
"""

from pathlib import Path
from typing import Final

from PIL import Image

from tests.e2e.browser import ARTIFACTS, ROOT

FOLDER: Final = ROOT / "docs" / "images"
# by the name of the screenshot
PICTURES: Final = (
    *("chat-light", "chat-dark"),
    "documents-light",
    *("evaluation-light", "examples-light", "operations-dark"),
    *("phone-source", "documents-es"),
)
_QUALITY: Final = 84


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in PICTURES:
        make_picture(ARTIFACTS / f"{name}.png", FOLDER / f"{name}.webp")
    wanted = {f"{name}.webp" for name in PICTURES}
    for path in FOLDER.iterdir():
        if path.name not in wanted:
            path.unlink()


def make_picture(source: Path, target: Path) -> None:
    """The same picture, much smaller."""
    with Image.open(source) as seen:
        seen.convert("RGB").save(target, quality=_QUALITY, method=6)


if __name__ == "__main__":
    main()
