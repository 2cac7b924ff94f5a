"""What every command shares: settings, services, errors as messages. Imports nothing heavy."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from app.backup.mark import refuse_half_restored
from core.errors import CimientoError, SettingsError
from core.logs import configure_logs
from core.operator_settings import LogSettings
from core.settings import Settings, load_settings

if TYPE_CHECKING:
    from app.processes.channel import Seat
    from app.services import Services
    from core.database import Database

FAILED: Final = 1
WRONG_USAGE: Final = 2

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def load_cli_settings(*, logs: bool = False, process: str | None = None) -> Settings:
    """The settings; a bad one ends the process with a message and exit code 2.

    Unless `logs`, only warnings are logged: a command's output is for reading. process: named in
    every line of the log.
    """
    try:
        settings = load_settings()
    except SettingsError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(WRONG_USAGE) from error
    configure_logs(settings.log if logs else _quiet(settings.log), process=process)
    return settings


@contextmanager
def errors_to_exit() -> Iterator[None]:
    """Turn a domain error into its message and exit code 1."""
    try:
        yield
    except CimientoError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(FAILED) from error


@contextmanager
def open_services(
    settings: Settings,
    *,
    upgrade: bool,
    embedding_threads: int | None = None,
    seat: "Seat | None" = None,
) -> Iterator["Services"]:
    """The services, closed at the end. Commands that may come first upgrade the database.

    seat: of a process among several that serve one address.
    """
    # Late: the models' libraries take seconds to import, and `cimiento --help` must not wait.
    import migrations
    from app.wiring import build_models, build_services

    refuse_half_restored(settings.data_dir)
    models = build_models(settings, embedding_threads=embedding_threads)
    services = build_services(settings, models, seat=seat)
    try:
        (migrations.upgrade if upgrade else migrations.check)(services.database)
        yield services
    finally:
        services.close()


@contextmanager
def open_database(settings: Settings, *, exactly: bool = False) -> Iterator["Database"]:
    """The database alone, for commands that need no model; a domain error is exit code 1.

    exactly: as `migrations.check` takes it.
    """
    # Late: see `open_services`.
    import migrations
    from core.database import Database

    with errors_to_exit():
        refuse_half_restored(settings.data_dir)
        database = Database(settings.database_url)
        try:
            migrations.check(database, exactly=exactly)
            yield database
        finally:
            database.close()


def print_json(value: object) -> None:
    """Print data as JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def _quiet(settings: LogSettings) -> LogSettings:
    if settings.level in ("debug", "error"):
        return settings
    return settings.model_copy(update={"level": "warning"})
