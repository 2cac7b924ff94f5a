"""Which generation of the index is current, and which last lost text. Knows no segment."""

from typing import Final

from core.database import Database

_CURRENT: Final = "SELECT generation FROM manifest"
_LAST_DELETION: Final = "SELECT COALESCE(last_deletion, 0) FROM manifest"


def read_generation(database: Database) -> int:
    """The generation that is committed now, by whichever thread or process.

    Cheap enough to ask before every search: what was deleted or published moves it in the same
    transaction, so that whoever holds an index of this generation misses nothing.
    """
    return database.read_number(_CURRENT)


def read_last_deletion(database: Database) -> int:
    """The committed generation that last took chunks out; 0 where none has."""
    return database.read_number(_LAST_DELETION)
