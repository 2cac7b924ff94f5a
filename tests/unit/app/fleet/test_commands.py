"""`cimiento fleet` where Ray is not installed, as nearly everywhere."""

from importlib.util import find_spec

import pytest
from typer.testing import CliRunner

from app.cli import main

pytestmark = pytest.mark.skipif(
    find_spec("ray") is not None, reason="Ray is installed here; this is about where it is not"
)


@pytest.mark.parametrize("command", [["serve"], ["stop"], ["embed"], ["ingest", __file__]])
def test_a_fleet_without_ray_names_the_extra(command: list[str]) -> None:
    ended = CliRunner().invoke(main, ["fleet", *command])
    assert ended.exit_code == 1
    assert "cimiento[scale]" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_more_workers_at_least_than_at_most_are_wrong_usage() -> None:
    ended = CliRunner().invoke(main, ["fleet", "serve", "--min", "3", "--max", "2"])
    assert ended.exit_code == 2
    assert "--min" in ended.stderr
