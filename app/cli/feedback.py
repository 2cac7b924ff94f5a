"""`cimiento feedback`: what people thought of answers, for evaluation and training."""

import json
from typing import Annotated, get_args

import typer

from app.cli.context import errors_to_exit, load_cli_settings

feedback_app = typer.Typer(
    name="feedback", help="Hand on what people thought of answers.", no_args_is_help=True
)


@feedback_app.command("export")
def export(
    form: Annotated[
        str, typer.Option("--as", help="evaluation, training, pairs or full.")
    ] = "evaluation",
) -> None:
    """Print one JSON object a line for every judged answer that is of use."""
    settings = load_cli_settings()
    # Late: see app.cli.context.
    import migrations
    from app.feedback import ExportFormat, Feedback
    from app.wiring import build_database

    forms: dict[str, ExportFormat] = {each: each for each in get_args(ExportFormat)}
    if form not in forms:
        raise typer.BadParameter(f"{form!r} is none of {', '.join(forms)}", param_hint="--as")
    with errors_to_exit():
        database = build_database(settings)
        try:
            migrations.check(database)
            for line in Feedback(database).export(forms[form]):
                typer.echo(json.dumps(line, ensure_ascii=False))
        finally:
            database.close()
