"""Options of a command that come as a dataclass."""

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from app.cli.options import takes_options


@dataclass(frozen=True)
class Options:
    """Of the command below."""

    loud: Annotated[bool, typer.Option("--loud", help="Shout.")] = False
    times: Annotated[int, typer.Option("--times", min=1)] = 1


def build() -> typer.Typer:
    """A program of one command."""
    program = typer.Typer()

    @program.command()
    @takes_options(Options)
    def say(word: Annotated[str, typer.Argument()], options: Options, mark: str = ".") -> None:
        """Say a word."""
        said = (word.upper() if options.loud else word) + mark
        typer.echo(said * options.times)

    return program


def run(*arguments: str) -> tuple[int, str]:
    """The exit code, and what was printed."""
    result = CliRunner().invoke(build(), arguments)
    return result.exit_code, result.stdout.strip()


def test_fields_are_options_beside_the_commands_own() -> None:
    assert run("hey", "--loud", "--times", "2", "--mark", "!") == (0, "HEY!HEY!")


def test_fields_left_out_have_their_defaults() -> None:
    assert run("hey") == (0, "hey.")


def test_a_field_out_of_range_is_wrong_usage() -> None:
    assert run("hey", "--times", "0")[0] == 2


def test_help_tells_every_option_and_what_the_command_does() -> None:
    told = run("--help")[1]

    assert all(part in told for part in ("Say a word.", "--loud", "Shout.", "--times", "--mark"))
