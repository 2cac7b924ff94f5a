"""`cimiento train`: make a tokenizer and a model from a folder of text.

The commands hand their arguments to the trainers' own parsers, which also run where there is no
typer: `python -m generation.training.base`.
"""

from typing import Final

import typer

train_app = typer.Typer(
    name="train", help="Make a model from a folder of text.", no_args_is_help=True
)

_PASS_ON: Final = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],  # the trainer's parser answers --help
}


@train_app.command("tokenizer", context_settings=_PASS_ON)
def tokenizer(context: typer.Context) -> None:
    """Train a byte-level BPE tokenizer; --help lists its options."""
    # Late: see app.cli.context.
    from generation.training.vocabulary import main

    raise typer.Exit(main(context.args, program="cimiento train tokenizer"))


@train_app.command("base", context_settings=_PASS_ON)
def base(context: typer.Context) -> None:
    """Train a small model from nothing; --help lists its options."""
    from generation.training.base import main

    raise typer.Exit(main(context.args, program="cimiento train base"))
