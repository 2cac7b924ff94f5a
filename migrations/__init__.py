"""Migrations of the truth. Run by `cimiento db upgrade`; refuses a database newer than the code."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from core.database import Database
from core.errors import DatabaseBehindError


def upgrade(database: Database) -> None:
    """Bring the database to this code's schema. Safe to call again, and from two processes.

    Raises `DatabaseBehindError` for a database that a newer Cimiento wrote.
    """
    with database.write_connection() as connection:
        upgrade_within(connection)
        connection.commit()


def upgrade_within(connection: Connection, revision: str = "head") -> None:
    """The same inside the caller's transaction, and as far as a revision that this code knows."""
    config = _config()
    for each in (_revision(connection), revision):
        _refuse_newer(each, config)
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def current_revision() -> str:
    """The revision that this code needs."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def check(database: Database) -> None:
    """Raise `DatabaseBehindError` unless the database has exactly this code's schema."""
    with database.engine.connect() as connection:
        found = _revision(connection)
    expected = current_revision()
    if found != expected:
        raise DatabaseBehindError(
            f"the database is at revision {found}, this code needs {expected}; "
            "run 'cimiento db upgrade'"
        )


def _revision(connection: Connection) -> str | None:
    # None for an empty database
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def _refuse_newer(found: str | None, config: Config) -> None:
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    known = {"head", *(script.revision for script in scripts)}
    if found is not None and found not in known:
        raise DatabaseBehindError(
            f"the data are of revision {found}, which this code does not know; "
            "they were written by a newer Cimiento: start that one"
        )
