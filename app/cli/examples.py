"""`cimiento examples`: answers that people judged good, to be approved for few-shot prompts."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from app.cli.context import AsJson, load_cli_settings, open_database, print_json

if TYPE_CHECKING:
    from app.examples import Decision, Examples

examples_app = typer.Typer(
    name="examples", help="Review answers that few-shot prompts may show.", no_args_is_help=True
)

Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of answers.")]


@examples_app.command("list")
def list_examples(
    state: Annotated[str, typer.Option("--state", help="candidate, approved or rejected.")] = (
        "candidate"
    ),
    as_json: AsJson = False,
) -> None:
    """List answers that wait for somebody to approve them, or what was decided."""
    from app.api.prompt_schemas import ExampleOut
    from app.examples import ExampleState
    from core.access import Caller

    states: dict[str, ExampleState] = {each: each for each in get_args(ExampleState)}
    if state not in states:
        raise typer.BadParameter(f"{state!r} is none of {', '.join(states)}", param_hint="--state")
    with _open() as examples:
        found: list[ExampleOut] = []
        cursor = None
        while page := examples.list(states[state], Caller.owner(), cursor=cursor):
            found += map(ExampleOut.of, page)
            cursor = page[-1].id
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    for each in found:
        typer.echo(each.id)
        if each.question is not None:
            typer.echo(f"    {each.question}\n    {each.answer}\n")


@examples_app.command("approve")
def approve(ids: Ids, as_json: AsJson = False) -> None:
    """Let the model be shown these answers before questions like theirs."""
    _decide(ids, "approved", as_json=as_json)


@examples_app.command("reject")
def reject(ids: Ids, as_json: AsJson = False) -> None:
    """Show these answers to nobody, whether they were approved or not."""
    _decide(ids, "rejected", as_json=as_json)


def _decide(ids: list[str], decision: "Decision", *, as_json: bool) -> None:
    from app.api.prompt_schemas import ExampleOut
    from core.access import Caller
    from core.ids import AnswerId

    with _open() as examples:
        done = [
            ExampleOut.of(examples.decide(AnswerId(each), decision, Caller.owner())) for each in ids
        ]
    if as_json:
        print_json([each.model_dump(mode="json") for each in done])
    else:
        typer.echo(f"{decision}: {', '.join(each.id for each in done)}")


@contextmanager
def _open() -> Iterator["Examples"]:
    # Late: see app.cli.context.
    from app.examples import Examples

    with open_database(load_cli_settings()) as database:
        yield Examples(database)
