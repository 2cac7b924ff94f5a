"""A wrong option is refused by its name before anything is read."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import main as command_line
from generation.training.base import main
from generation.training.errors import OptionError
from generation.training.options import BaseOptions, parse_options
from tests.unit.generation.training.runs import arguments_of
from tests.unit.generation.training.texts import tiny_options

REQUIRED = ["--data", "a", "--tokenizer", "b", "--out", "c"]
PAGE = Path(__file__).parents[4] / "docs" / "reference" / "command-line.md"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("layers", 0),
        ("width", -32),
        ("width", 33),
        ("heads", 5),
        ("kv_heads", 3),
        ("d_ff", 0),
        ("context", 1),
        ("context", 1 << 21),
        ("batch_tokens", 31),
        ("pass_tokens", 31),
        ("steps", 0),
        ("minutes", -1.0),
        ("minutes", float("nan")),
        ("lr", float("inf")),
        ("warmup", -1),
        ("weight_decay", -0.1),
        ("held_out", 0.0),
        ("held_out", 0.9),
        ("checkpoint_minutes", 0.0),
        ("seed", -1),
        ("dtype", "int4"),
        ("device", "tpu"),
    ],
)
def test_a_value_out_of_range_is_refused_by_the_name_of_the_option(
    option: str, value: object
) -> None:
    extra = {"batch_tokens": 1 << 22, "pass_tokens": None} if value == 1 << 21 else {}
    with pytest.raises(OptionError, match="--" + option.replace("_", "-")):
        tiny_options(Path(), **(extra | {option: value})).build_config(300)


def test_defaults_are_a_model_that_can_be_built() -> None:
    config = parse_options(REQUIRED).build_config(4096)
    assert (config.d_model, config.head_dim, config.d_ff) == (256, 64, 704)


def test_every_option_of_the_command_line_sets_the_field_of_its_name() -> None:
    given = tiny_options(Path(), warmup=3, minutes=1.5, resume=True, held_out=0.25, seed=9)
    assert parse_options([*arguments_of(given), "--resume"]) == given


@pytest.mark.parametrize(
    "arguments",
    [
        [*REQUIRED, "--layers", "many"],
        [*REQUIRED, "--colour", "red"],
        [*REQUIRED, "--layer", "3"],  # no guessing from half a name
        REQUIRED[2:],
    ],
)
def test_what_the_parser_does_not_understand_is_wrong_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_options(arguments)
    assert ended.value.code == 2
    assert "--" in capsys.readouterr().err


def test_a_bad_option_ends_the_command_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*REQUIRED, "--heads", "3"]) == 2
    assert capsys.readouterr().err == (
        "error: --width (256) must be an even multiple of --heads (3)\n"
    )


def test_a_resumed_run_must_be_the_same_run_but_may_be_longer() -> None:
    options = tiny_options(Path())
    saved = options.to_json()
    replace(options, steps=99, resume=True, out=Path("moved")).require_same_run(saved)
    with pytest.raises(OptionError, match=r"^--lr is 0.5 and was 0.001 when this run began"):
        replace(options, lr=0.5).require_same_run(saved)


def test_the_commands_pass_their_options_to_the_trainers() -> None:
    runner = CliRunner()
    result = runner.invoke(command_line, ["train", "base", *REQUIRED, "--heads", "3"])
    assert result.exit_code == 2
    result = runner.invoke(command_line, ["train", "base", "--help"])
    assert result.exit_code == 0
    assert "usage: cimiento train base" in result.stdout
    result = runner.invoke(command_line, ["train", "tokenizer", "--help"])
    assert "usage: cimiento train tokenizer" in result.stdout


def test_every_option_is_in_the_reference() -> None:
    """The house rules see typer's options; these belong to the trainers' own parsers."""
    page = PAGE.read_text(encoding="utf-8")
    section = page.split("## `cimiento train base`")[1].split("\n## ")[0]
    for field in fields(BaseOptions):
        assert f"--{field.name.replace('_', '-')}" in section
    section = page.split("## `cimiento train tokenizer`")[1].split("\n## ")[0]
    for option in ("--data", "--out", "--vocab-size", "--min-chars"):
        assert option in section
