"""The mark of a restore that has begun and not ended: nobody else may work in that place."""

from pathlib import Path
from typing import Final

from app.backup.errors import HalfRestoredError

MARK: Final = "restoring"


def refuse_half_restored(data_dir: Path) -> None:
    """Raise `HalfRestoredError` in a place that a restore has begun to fill.

    Whoever worked there would show a part as the whole; and tables that were made there would be
    taken for those of the backup when the restore goes on.
    """
    mark = data_dir / MARK
    if mark.exists():
        raise HalfRestoredError(
            f"{data_dir} is half restored, from {mark.read_text()}: run the same "
            "'cimiento restore' again"
        )
