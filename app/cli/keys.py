"""`cimiento keys`: the keys of calling services. A secret is printed once and never again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import AsJson, errors_to_exit, load_cli_settings, print_json

if TYPE_CHECKING:
    from app.credentials import ApiKey, Credentials

keys_app = typer.Typer(name="keys", help="Make and revoke API keys.", no_args_is_help=True)


@keys_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Which service it is for.")],
    collections: Annotated[
        list[str] | None,
        typer.Option("--collection", help="Open only this one; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print its secret, this once."""
    if not 0 < len(name) <= 128:
        raise typer.BadParameter("a name has 1 to 128 characters")
    with open_credentials() as credentials:
        key, secret = credentials.create_key(name, collections=collections or None)
    if as_json:
        print_json({**_fields(key), "key": secret})
        return
    typer.echo(secret)
    typer.echo(f"Key {key.id} for {name!r}. It is not shown again.", err=True)


@keys_app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List the keys there are."""
    with open_credentials() as credentials:
        keys = credentials.list_keys()
    if as_json:
        print_json([_fields(key) for key in keys])
        return
    for key in keys:
        opened = "" if key.collections is None else f"  only: {', '.join(key.collections) or '-'}"
        typer.echo(f"{key.id}  {key.created_at:%Y-%m-%d}  {key.name}{opened}")


@keys_app.command("revoke")
def revoke(key_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Make a key worthless at once."""
    with open_credentials() as credentials:
        credentials.revoke_key(key_id)
    typer.echo(f"revoked {key_id}")


@contextmanager
def open_credentials() -> Iterator["Credentials"]:
    """Keys, links and sessions, without anything else of the service."""
    settings = load_cli_settings()
    # Late: these take longer to import than --help may take.
    import migrations
    from app.credentials import Credentials
    from core.database import Database

    database = Database(settings.database_url)
    try:
        with errors_to_exit():
            migrations.upgrade(database)
            yield Credentials.of(settings, database)
    finally:
        database.close()


def _fields(key: "ApiKey") -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "created_at": key.created_at.isoformat(),
        "collections": key.collections,
    }
