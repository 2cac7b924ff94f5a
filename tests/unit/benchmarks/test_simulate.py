"""The least number that keeps a promise is found, and grows with those who ask."""

from pathlib import Path

import pytest

from benchmarks.simulate import Measured, Promise, least, size_library, size_people


@pytest.mark.parametrize("needed", [1, 2, 3, 7, 8, 100])
def test_the_least_number_that_keeps_a_promise_is_found(needed: int) -> None:
    def trial(number: int) -> Promise:
        return Promise(number, 0.5 if number >= needed else 2.0)

    assert least(trial, at_most_s=1.0) == Promise(needed, 0.5)


def test_a_promise_that_no_number_keeps_is_said() -> None:
    with pytest.raises(ValueError, match="one alone takes longer"):
        least(lambda number: Promise(number, 2.0), at_most_s=1.0)


def test_more_people_need_more_and_every_promise_is_kept() -> None:
    few, many = (size_people(people, Measured(), 300.0) for people in (1_000, 20_000))
    for what in ("api_cores", "generate_workers"):
        assert few[f"people1000_{what}"] < many[f"people20000_{what}"]
    for figures in (few, many):
        assert all(value <= 1.0 for name, value in figures.items() if "wait_p95" in name)
        assert all(value <= 4.0 for name, value in figures.items() if "first_token" in name)


def test_memory_grows_with_the_library_and_a_search_with_its_root() -> None:
    one, hundred = size_library(1_000_000, Measured()), size_library(100_000_000, Measured())
    assert hundred["chunks100m_index_gb"] == pytest.approx(100 * one["chunks1m_index_gb"])
    ratio = hundred["chunks100m_index_search_ms"] / one["chunks1m_index_search_ms"]
    assert ratio == pytest.approx(10)


def test_figures_of_another_machine_are_taken_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    path.write_text('{"decode_tok_s": 900}')
    assert Measured.read(path).engine.step_s == pytest.approx(1 / 900)
    path.write_text('{"decode": 900}')
    with pytest.raises(ValueError, match="decode: no such figure"):
        Measured.read(path)
