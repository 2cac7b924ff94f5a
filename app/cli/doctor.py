"""`cimiento doctor`: what is wrong here, and what mends it."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from sqlalchemy import make_url

from app.cli.context import FAILED, AsJson, load_cli_settings, print_json
from core.settings import Settings

if TYPE_CHECKING:
    from app.doctor import Seen


def doctor(as_json: AsJson = False) -> None:
    """Look at everything that the service needs; safe at any time, it changes nothing."""
    settings = load_cli_settings()
    seen = _examine(settings)
    if as_json:
        print_json({"ok": _is_well(seen), "parts": [asdict(each) for each in seen]})
    else:
        _print(seen)
    if not _is_well(seen):
        raise typer.Exit(FAILED)


def _examine(settings: Settings) -> "list[Seen]":
    # Late: see app.cli.context.
    from app.blob_stores import build_blobs, build_published
    from app.doctor import Patient, examine
    from app.wiring import build_database, build_lexical
    from core.models import ModelStore

    models = ModelStore(settings.models_dir)
    # one in the data folder is not made here: it is looked at with that folder
    blobs = build_blobs(settings) if settings.blobs.url is not None else None
    if not _is_there(settings):
        return list(examine(Patient(settings, None, models, blobs=blobs)))
    database = build_database(settings)
    try:
        lexical = build_lexical(settings.data_dir, database)
        published = build_published(settings)
        return list(examine(Patient(settings, database, models, lexical, blobs, published)))
    finally:
        database.close()


def _is_there(settings: Settings) -> bool:
    # connecting to SQLite makes the file
    url = make_url(settings.database_url)
    return url.get_backend_name() != "sqlite" or Path(url.database or "").is_file()


def _is_well(seen: "list[Seen]") -> bool:
    return all(each.state != "broken" for each in seen)


def _print(seen: "list[Seen]") -> None:
    for each in seen:
        word = each.state if each.state == "ok" else each.state.upper()
        typer.echo(f"{word:8} {each.part}: {each.detail}")
        if each.remedy:
            typer.echo(f"         -> {each.remedy}")
    num_broken = sum(each.state == "broken" for each in seen)
    typer.echo(f"{num_broken} to mend" if num_broken else "nothing has to be mended")
