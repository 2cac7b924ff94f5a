"""Migrations of the truth. Run by `cimiento db upgrade`; refuses a schema it may not work on.

A migration that says `only_expands = True` adds what older code neither sees, breaks nor cleans
away: tables, columns that may be left out, indexes. Processes of the version before go on beside
those that ran it (decision 37).
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from core.database import Database
from core.errors import DatabaseBehindError
from migrations.floor import find_floor


def upgrade(database: Database) -> None:
    """Bring the database to this code's schema. Safe to call again, and from two processes.

    A newer schema that is open to this code is left as it is; for any other one raises
    `DatabaseBehindError`.
    """
    with database.write_connection() as connection:
        if not _is_newer_and_open(connection):
            upgrade_within(connection)
            connection.commit()


def upgrade_within(connection: Connection, revision: str = "head") -> None:
    """The same inside the caller's transaction, and as far as a revision that this code knows."""
    config = _config()
    for each in (find_revision(connection), revision):
        if each != "head" and not _is_known(each):
            raise DatabaseBehindError(
                f"the data are of revision {each}, which this code does not know; "
                "they were written by a newer Cimiento: start that one"
            )
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def current_revision() -> str:
    """The revision that this code needs."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def find_revision(connection: Connection) -> str | None:
    """The revision that the database has; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def check(database: Database, *, exactly: bool = False) -> None:
    """Raise `DatabaseBehindError` unless this code may work on the database.

    exactly: nor on a newer schema that is open to it. So for whatever looks at all the data there
    are: it would miss what it does not know, or clean it away.
    """
    with database.engine.connect() as connection:
        found = find_revision(connection)
        is_open = not exactly and _is_newer_and_open(connection)
    expected = current_revision()
    if found == expected or is_open:
        return
    if _is_known(found):
        remedy = "run 'cimiento db upgrade'"
    else:
        remedy = "a newer Cimiento migrated it: do this with that version"
    raise DatabaseBehindError(
        f"the database is at revision {found}, this code needs {expected}; {remedy}"
    )


def _is_newer_and_open(connection: Connection) -> bool:
    if _is_known(find_revision(connection)):
        return False
    floor = find_floor(connection)
    return floor is not None and _is_known(floor)


def _is_known(revision: str | None) -> bool:
    """Whether it is one of this code's; that of an empty database is."""
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    return revision is None or revision in {script.revision for script in scripts}


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config
