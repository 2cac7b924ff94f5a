"""`cimiento keys`: the keys of calling services. A secret is printed once and never again."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import AsJson, load_cli_settings, print_json
from app.cli.doors import open_doors, record
from app.cli.options import takes_options
from core.access import OF_THE_SERVICE, Scope

if TYPE_CHECKING:
    from app.people.credentials import ApiKey

keys_app = typer.Typer(name="keys", help="Make and revoke API keys.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class KeyOptions:
    """What a key may do, until when, and how much."""

    collections: Annotated[
        list[str] | None,
        typer.Option("--collection", help="Open only this one; may be repeated."),
    ] = None
    scopes: Annotated[
        list[Scope] | None,
        typer.Option(
            "--scope",
            help="Let it do this; may be repeated. All but people and metrics if left out.",
        ),
    ] = None
    expires_days: Annotated[
        int | None,
        typer.Option("--expires-days", min=1, max=3650, help="Days that it is good for."),
    ] = None
    max_requests: Annotated[
        int | None,
        typer.Option(
            "--max-requests", min=1, max=1_000_000, help="Requests that it may send in a minute."
        ),
    ] = None
    max_tokens: Annotated[
        int | None,
        typer.Option(
            "--max-tokens", min=1, max=2**31 - 1, help="Tokens that it may take in a day."
        ),
    ] = None


@keys_app.command("create")
@takes_options(KeyOptions)
def create(
    name: Annotated[str, typer.Argument(help="Which service it is for.")],
    options: KeyOptions,
    as_json: AsJson = False,
) -> None:
    """Make a key and print its secret, this once."""
    if not 0 < len(name) <= 128:
        raise typer.BadParameter("a name has 1 to 128 characters")
    if options.collections and OF_THE_SERVICE & set(options.scopes or ()):
        raise typer.BadParameter("a key for people or metrics opens every collection")
    # Late: see app.cli.context.
    from app.people.credentials import DEFAULT_SCOPES, KeyLimits, NewKey
    from core.tables import now

    new = NewKey(
        name,
        collections=options.collections or None,
        scopes=frozenset(options.scopes or DEFAULT_SCOPES),
        expires_at=(options.expires_days and now() + timedelta(days=options.expires_days)) or None,
        limits=KeyLimits(options.max_requests, options.max_tokens),
    )
    with open_doors(load_cli_settings()) as doors:
        key, secret = doors.credentials.create(new)
        record(doors.audit, "key.created", target=key.id, name=key.name, scopes=list(key.scopes))
    if as_json:
        print_json({**_fields(key), "key": secret})
        return
    typer.echo(secret)
    typer.echo(f"Key {key.id} for {name!r}. It is not shown again.", err=True)


@keys_app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List the keys there are."""
    with open_doors(load_cli_settings()) as doors:
        keys = doors.credentials.list_keys()
    if as_json:
        print_json([_fields(key) for key in keys])
        return
    for key in keys:
        opened = "" if key.collections is None else f"  only: {', '.join(key.collections) or '-'}"
        until = f"  until {key.expires_at:%Y-%m-%d}" if key.expires_at else ""
        scopes = " ".join(key.scopes)
        typer.echo(f"{key.id}  {key.created_at:%Y-%m-%d}  {key.name}  ({scopes}){opened}{until}")


@keys_app.command("revoke")
def revoke(key_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Make a key worthless at once."""
    with open_doors(load_cli_settings()) as doors:
        doors.credentials.revoke_key(key_id)
        record(doors.audit, "key.revoked", target=key_id)
    typer.echo(f"revoked {key_id}")


def _fields(key: "ApiKey") -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "person": key.person,
        "created_at": key.created_at.isoformat(),
        "collections": key.collections,
        "scopes": list(key.scopes),
        "expires_at": key.expires_at and key.expires_at.isoformat(),
        "last_used_at": key.last_used_at and key.last_used_at.isoformat(),
        "max_requests_per_minute": key.limits.max_requests_per_minute,
        "max_tokens_per_day": key.limits.max_tokens_per_day,
    }
