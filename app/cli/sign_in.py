"""`cimiento sign-in`: a fresh one-time link, for a browser that is out."""

from typing import Annotated

import typer

from app.cli.context import AsJson, load_cli_settings, print_json
from app.cli.doors import open_doors, record


def sign_in(
    person: Annotated[
        str | None, typer.Option("--person", help="Whom it signs in; by default the owner.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print a link that signs one browser in, once, within a day.

    Whoever opens it may choose a new password with it.
    """
    settings = load_cli_settings()
    with open_doors(settings) as doors:
        person_id = None if person is None else doors.people.get(person).id
        link = f"{settings.base_url}/sign-in?token={doors.sessions.create_link(person_id)}"
        record(doors.audit, "person.link_made", target=person or "owner")
    if as_json:
        print_json({"link": link})
    else:
        typer.echo(link)
