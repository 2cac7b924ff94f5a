"""`cimiento audit`: who did what. Reads the log; nothing changes it."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import AsJson, load_cli_settings, print_json
from app.cli.doors import open_doors

if TYPE_CHECKING:
    from app.people.audit import AuditEvent

audit_app = typer.Typer(name="audit", help="Read the audit log.", no_args_is_help=True)


@audit_app.command("list")
def list_events(
    actor: Annotated[str | None, typer.Option("--actor", help="Of this caller only.")] = None,
    action: Annotated[
        str | None, typer.Option("--action", help="This action, or those that begin so: document.")
    ] = None,
    collection: Annotated[
        str | None, typer.Option("--collection", help="In this collection only.")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option("--since", help="From this moment on, in local time.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List events, the newest first."""
    # Late: see app.cli.context.
    from app.people.audit import AuditFilter

    where = AuditFilter(actor, action, collection, since and since.astimezone())
    with open_doors(load_cli_settings()) as doors:
        events = doors.audit.list(where, limit=limit)
    if as_json:
        print_json([_fields(event) for event in events])
        return
    for event in events:
        deed = event.deed
        who = f"{deed.actor_label or deed.actor} ({deed.actor})"
        what = filter(None, (deed.action, deed.collection, deed.target, event.document))
        typer.echo(f"{event.at:%Y-%m-%d %H:%M:%S}  {who}  {'  '.join(what)}")


def _fields(event: "AuditEvent") -> dict[str, object]:
    deed = event.deed
    return {
        "id": event.id,
        "at": event.at.isoformat(),
        "actor": deed.actor,
        "actor_label": deed.actor_label,
        "action": deed.action,
        "collection": deed.collection,
        "target": deed.target,
        "document": event.document,
        "details": deed.details,
        "request_id": deed.request_id,
    }
