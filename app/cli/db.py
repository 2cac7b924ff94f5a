"""`cimiento db`: the schema of the truth."""

import typer

from app.backup.mark import refuse_half_restored
from app.cli.context import errors_to_exit, load_cli_settings

db_app = typer.Typer(name="db", help="Look after the database.", no_args_is_help=True)


@db_app.callback()
def db() -> None:
    """Look after the database."""


@db_app.command("upgrade")
def upgrade() -> None:
    """Bring the database to this version's schema. Safe to run again."""
    settings = load_cli_settings()
    # Late: SQLAlchemy takes longer to import than --help may take.
    import migrations
    from core.database import Database

    database = Database(settings.database_url)
    with errors_to_exit():
        refuse_half_restored(settings.data_dir)
        migrations.upgrade(database)
    database.close()
    typer.echo("the database is up to date")


@db_app.command("compact")
def compact() -> None:
    """Rewrite the database's file, so that no unused part of it holds deleted text.

    Workers do it once a day where something was deleted, up to a size of 1 GiB. Takes seconds a
    gigabyte and as much disk again; uploads and deletions wait meanwhile, searches do not.
    """
    settings = load_cli_settings()
    from core.database import Database
    from ingestion.compaction import Compactions

    database = Database(settings.database_url)
    with errors_to_exit():
        refuse_half_restored(settings.data_dir)
        before = database.file_bytes()
        Compactions(database, settings.data_dir).compact()
        after = database.file_bytes()
    database.close()
    typer.echo(f"the database's file was rewritten: {before:,} bytes before, {after:,} after")
