"""People, keys and the audit log from the shell, without anything else of the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.backup.mark import refuse_half_restored
from app.cli.context import errors_to_exit
from core.settings import Settings

if TYPE_CHECKING:
    from app.people.audit import AuditLog
    from app.people.doors import Doors


@contextmanager
def open_doors(settings: Settings) -> Iterator["Doors"]:
    """The doors of the service; upgrades the database, as a command that may come first does."""
    # Late: these take longer to import than --help may take.
    import migrations
    from app.people.doors import Doors
    from core.database import Database

    database = Database(settings.database_url)
    try:
        with errors_to_exit():
            refuse_half_restored(settings.data_dir)
            migrations.upgrade(database)
            doors = Doors.of(settings, database)
            try:
                yield doors
            finally:
                doors.later.close()
    finally:
        database.close()


def record(
    audit: "AuditLog",
    action: str,
    *,
    target: str | None,
    collection: str | None = None,
    **details: object,
) -> None:
    """Keep in the audit log what was done at the command line."""
    from app.people.audit import Deed
    from core.access import Caller

    owner = Caller.owner()
    audit.record(Deed(action, owner.name, owner.label, collection, target, details))
