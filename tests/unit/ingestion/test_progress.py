"""Progress has a rate; what stands still is stopped; what is cancelled ends in every stage."""

from collections.abc import Callable

import pytest

from core.settings import IngestionSettings
from ingestion.pipeline import run_attempt
from ingestion.progress import Progress
from tests.unit.ingestion.house import (
    EVERYTHING,
    NO_ORPHANS,
    House,
    attempt_of,
)

TEXT = b"# One\n" + b"A sentence with words. " * 300


def test_rate_and_remaining_seconds_are_those_of_the_stage(house: House) -> None:
    accepted = house.upload("a.txt", TEXT)
    attempt, moment = attempt_of(accepted), 0.0
    house.attempts.begin(attempt)
    progress = Progress(house.attempts, attempt, clock=lambda: moment)
    progress.report("parsing", 5, 10, "pages")
    progress.report("embedding", 20, 100, "chunks")
    job = house.jobs.get(accepted.job_id, EVERYTHING)
    assert (job.rate, job.eta_s) == (None, None)
    moment = 4.0
    # twenty were done before, by a worker that died: they say nothing about the speed
    progress.report("embedding", 40, 100, "chunks")
    job = house.jobs.get(accepted.job_id, EVERYTHING)
    assert (job.rate, job.eta_s) == (5.0, 12.0)


def test_standing_still_is_measured_from_the_last_progress_or_wait(house: House) -> None:
    accepted = house.upload("a.txt", TEXT)
    attempt, moment = attempt_of(accepted), 0.0
    house.attempts.begin(attempt)
    progress = Progress(house.attempts, attempt, clock=lambda: moment)
    for moment, done in ((1.0, 1), (5.0, 1), (9.0, 2)):
        progress.report("embedding", done, 4, "chunks")
        assert progress.still_s == (4.0 if moment == 5.0 else 0.0)
    moment = 12.0
    progress.wait()
    moment = 13.0
    assert progress.still_s == 1.0


def test_a_batch_that_stands_still_is_found_and_one_that_moves_is_not(house: House) -> None:
    house.settings = IngestionSettings(embed_batch=4, embed_stall_s=0.05)
    stages = house.stages()
    found: list[str] = []

    def look() -> None:
        progress = next(iter(stages._progress.values()))
        while not (stalled := list(stages.find_stalled())):
            assert progress.still_s <= 60
        found.append(str(stalled[0][1]))
        house.embedder.before = lambda: found.extend(map(str, stages.find_stalled()))

    house.embedder.before = look
    house.ingest(house.upload("a.txt", TEXT), stages)
    assert len(found) == 1
    assert "CIMIENTO_INGESTION__EMBED_STALL_S" in found[0]


@pytest.mark.parametrize("stage", ["parse", "chunk", "embed", "publish"])
def test_what_is_cancelled_ends_before_its_next_step_and_leaves_nothing(
    house: House, stage: str
) -> None:
    accepted = house.upload("a.txt", TEXT)
    begun: list[str] = []

    def run_step(name: str, step: Callable[[], None]) -> None:
        begun.append(name)
        if name == stage:
            house.jobs.cancel(accepted.job_id, EVERYTHING)
        step()

    worker_id = house.workers().join()
    assert run_attempt(attempt_of(accepted), house.stages(), worker_id, run_step) is None
    assert begun[-1] == stage
    assert house.jobs.get(accepted.job_id, EVERYTHING).state == "cancelled"
    assert house.searchable_text() == ""
    assert house.orphans() == NO_ORPHANS
