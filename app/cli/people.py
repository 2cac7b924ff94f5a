"""`cimiento people`: who may sign in. Asks for no password: a link lets its owner choose one."""

import re
from dataclasses import asdict
from typing import Annotated, Any

import typer

from app.cli.context import AsJson, load_cli_settings, print_json
from app.cli.doors import open_doors, record

people_app = typer.Typer(
    name="people", help="Invite people and let them out.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="What they sign in with.")]


@people_app.command("list")
def list_people(as_json: AsJson = False) -> None:
    """List who may sign in."""
    with open_doors(load_cli_settings()) as doors:
        found = doors.people.list()
    if as_json:
        print_json([asdict(person) for person in found])
        return
    for person in found:
        marks = [
            *(["owner"] if person.is_owner else []),
            *(["disabled"] if person.is_disabled else []),
            *([] if person.has_password else ["no password"]),
        ]
        typer.echo("  ".join(filter(None, (person.name, person.display_name, ", ".join(marks)))))


@people_app.command("invite")
def invite(
    name: Name,
    email: Annotated[str | None, typer.Option("--email", help="Their address.")] = None,
    is_owner: Annotated[bool, typer.Option("--owner", help="Owns the service.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make an account and print a link by which its owner signs in and chooses a password."""
    # Late: see app.cli.context.
    from app.people.accounts import PERSON_PATTERN
    from app.people.sessions import INVITATION_LIFETIME

    if not re.fullmatch(PERSON_PATTERN, name):
        raise typer.BadParameter("a name has lower-case letters, digits and . _ @ + -, at most 64")
    settings = load_cli_settings()
    with open_doors(settings) as doors:
        person = doors.people.create(name, email=email, is_owner=is_owner)
        token = doors.sessions.create_link(person.id, lifetime=INVITATION_LIFETIME)
        record(doors.audit, "person.invited", target=name, person=person.id, is_owner=is_owner)
    link = f"{settings.base_url}/sign-in?token={token}"
    if as_json:
        print_json({**asdict(person), "link": link})
    else:
        typer.echo(link)


@people_app.command("disable")
def disable(name: Name) -> None:
    """Sign somebody out everywhere and let them in no more; their keys open nothing."""
    _change(name, is_disabled=True)


@people_app.command("enable")
def enable(name: Name) -> None:
    """Let somebody in again who was disabled."""
    _change(name, is_disabled=False)


@people_app.command("remove")
def remove(name: Name) -> None:
    """Delete an account with its keys, conversations and answers. Documents stay."""
    with open_doors(load_cli_settings()) as doors:
        person = doors.people.get(name)
        doors.people.delete(name)
        record(doors.audit, "person.deleted", target=name, person=person.id)
    typer.echo(f"removed {name}")


def _change(name: str, **changes: Any) -> None:
    from app.people.accounts import PersonChange

    change = PersonChange(**changes)
    with open_doors(load_cli_settings()) as doors:
        person = doors.people.update(name, change)
        record(doors.audit, "person.changed", target=name, person=person.id, **changes)
    typer.echo(f"changed {name}")
