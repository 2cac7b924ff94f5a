"""`cimiento train`: make a tokenizer and a model from a folder of text; teach a model to read.

The commands hand their arguments to the trainers' own parsers, which also run where there is no
typer: `python -m generation.training.base`.
"""

from collections.abc import Sequence
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


@train_app.command("reader", context_settings=_PASS_ON)
def reader(context: typer.Context) -> None:
    """Teach a model to answer from passages and to refuse; --help lists the options."""
    from generation.training.reader.finetuning import main

    raise typer.Exit(
        main([*context.args, *_base_of(context.args)], program="cimiento train reader")
    )


def _base_of(arguments: Sequence[str]) -> list[str]:
    """The model that the settings name, where none is named."""
    is_named = any(item == "--base" or item.startswith("--base=") for item in arguments)
    if is_named or "--help" in arguments or "-h" in arguments:
        return []
    from app.cli.context import errors_to_exit, load_cli_settings
    from app.wiring import find_answer_model

    with errors_to_exit():
        _name, path = find_answer_model(load_cli_settings())
    return ["--base", str(path)]
