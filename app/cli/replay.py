"""`cimiento replay`: a stored answer asked again; what is different, and why."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import (
    FAILED,
    AsJson,
    errors_to_exit,
    load_cli_settings,
    open_services,
    print_json,
)

if TYPE_CHECKING:
    from app.api.answer_schemas import ReplayOut


def replay(
    answer: Annotated[str, typer.Argument(help="Id of the answer.")], as_json: AsJson = False
) -> None:
    """Ask again as the answer's receipt says, and compare. Exit code 1 where it differs."""
    settings = load_cli_settings()
    # Late: see app.cli.context.
    from app.api.answer_schemas import ReplayOut, encode_answer
    from app.replaying import replay as replay_stored
    from core.access import Caller
    from core.ids import AnswerId

    owner = Caller.owner()
    with errors_to_exit(), open_services(settings, upgrade=False) as services:
        stored = services.answers.get(AnswerId(answer), owner)
        done = replay_stored(services, stored, owner, encode_answer, cancelled=lambda: False)
    if done is None:  # nobody cancels here
        raise typer.Exit(FAILED)
    shown = ReplayOut.of(stored.id, done)
    if as_json:
        print_json(shown.model_dump(mode="json"))
    else:
        _print(shown, before=done.before["answer"])
    if not shown.same:
        raise typer.Exit(FAILED)


def _print(shown: "ReplayOut", *, before: str) -> None:
    if shown.same:
        typer.echo("same")
    else:
        typer.echo(f"different: {', '.join(shown.differences)}")
        if shown.answer.answer != before:
            typer.echo(f"\nthen: {before or '(redacted)'}\nnow:  {shown.answer.answer}\n")
    for cause in shown.causes:
        typer.echo(f"{cause.kind}: {cause.detail}")
