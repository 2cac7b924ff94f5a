"""The loss of a run on disk, and as a picture."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from generation.training.journal import Journal, Row, read_rows
from generation.training.plot import choose_ticks, draw_losses, smooth


def build_rows(number: int) -> list[Row]:
    return [
        Row(n, n * 100, n * 0.5, 1e-3, 6.0 / n, 1.0, 5.0 / n if n % 10 == 0 else None)
        for n in range(1, number + 1)
    ]


def test_rows_come_back_as_written(tmp_path: Path) -> None:
    rows = build_rows(12)
    with Journal(tmp_path / "loss.csv") as journal:
        for row in rows:
            journal.write(row)
    for written, read in zip(rows, read_rows(tmp_path / "loss.csv"), strict=True):
        assert read.step == written.step
        assert read.loss == pytest.approx(written.loss, abs=1e-5)
        assert (read.validation_loss is None) == (written.validation_loss is None)


def test_rows_past_the_checkpoint_are_dropped_and_a_cut_line_too(tmp_path: Path) -> None:
    path = tmp_path / "loss.csv"
    with Journal(path) as journal:
        for row in build_rows(9):
            journal.write(row)
    path.write_text(path.read_text()[:-25])  # killed while it wrote row 9
    assert [row.step for row in read_rows(path)] == list(range(1, 9))
    with Journal(path, first_step=5) as journal:
        journal.write(build_rows(6)[-1])
    assert [row.step for row in read_rows(path)] == [1, 2, 3, 4, 5, 6]
    with Journal(path):
        pass
    assert list(read_rows(path)) == []


@pytest.mark.parametrize("number", [0, 1, 2, 50, 5000])
def test_a_run_of_any_length_gives_a_picture_inside_its_frame(number: int) -> None:
    picture = ET.fromstring(draw_losses(build_rows(number), baseline=4.5))  # noqa: S314  # ours
    points = [
        tuple(map(float, point.split(",")))
        for line in picture.iter("{http://www.w3.org/2000/svg}polyline")
        for point in line.attrib["points"].split()
    ]
    assert len(points) < 3000
    assert all(0 <= x <= 760 and 0 <= y <= 420 for x, y in points)


def test_smoothing_keeps_the_ends_and_the_level() -> None:
    shown = smooth([(n, 3.0 + (-1) ** n) for n in range(2000)])
    assert (shown[0][0], shown[-1][0]) == (0, 1999)
    assert all(abs(y - 3.0) < 0.1 for _, y in shown)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (2.1, 7.9), (3, 3), (0, 12345), (0.001, 0.002)])
def test_ticks_are_few_and_enclose_the_values(low: float, high: float) -> None:
    ticks = choose_ticks(low, high)
    assert ticks[0] <= low
    assert ticks[-1] >= high
    assert 2 <= len(ticks) <= 9
