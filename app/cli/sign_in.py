"""`cimiento sign-in`: a fresh one-time link, for a browser that is out."""

import typer

from app.cli.context import AsJson, load_cli_settings, print_json
from app.cli.keys import open_credentials


def sign_in(as_json: AsJson = False) -> None:
    """Print a link that signs one browser in, once, within a day."""
    settings = load_cli_settings()
    with open_credentials() as credentials:
        link = f"{settings.base_url}/sign-in?token={credentials.create_link()}"
    if as_json:
        print_json({"link": link})
    else:
        typer.echo(link)
