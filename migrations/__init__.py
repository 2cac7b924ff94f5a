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
    config = _config()
    with database.write_connection() as connection:
        _refuse_newer(_revision(connection), config)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def check(database: Database) -> None:
    """Raise `DatabaseBehindError` unless the database has exactly this code's schema."""
    with database.engine.connect() as connection:
        found = _revision(connection)
    expected = ScriptDirectory.from_config(_config()).get_current_head()
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
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise DatabaseBehindError(
            f"the database is at revision {found}, which this code does not know; "
            "it was written by a newer Cimiento: start that one"
        )
