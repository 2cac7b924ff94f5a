"""Which generation of the index is current. Reads one number; knows no segment."""

from typing import Final

from core.database import Database

_QUERY: Final = "SELECT generation FROM manifest"


def read_generation(database: Database) -> int:
    """The generation that is committed now, by whichever thread or process.

    Cheap enough to ask before every search: what was deleted or published moves it in the same
    transaction, so that whoever holds an index of this generation misses nothing.
    """
    return database.read_number(_QUERY)
