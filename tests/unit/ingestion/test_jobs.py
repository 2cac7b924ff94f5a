"""A job tells how far it is, comes to one end, and can be begun anew where that makes sense."""

import pytest

from core.access import Access
from core.errors import JobNotFoundError
from core.ids import VersionId
from ingestion.attempts import Attempt, JobError, NoLongerWantedError, job_error
from ingestion.errors import (
    IngestionInterruptedError,
    JobFinishedError,
    JobNotRetryableError,
    NoTextFoundError,
)
from ingestion.jobs import JobFilter
from ingestion.progress import Progress
from ingestion.uploads import OnConflict
from tests.unit.ingestion.house import EVERYTHING, NO_ORPHANS, House, attempt_of

NO_TEXT = JobError("no_text_found", "no text", retryable=False)
BAD_LUCK = JobError("bad_luck", "it did not work", retryable=True)


def test_progress_only_goes_forward(house: House) -> None:
    accepted = house.upload("a.txt", b"some words here. " * 400)
    seen: list[tuple[str | None, int]] = []

    def look() -> None:
        job = house.jobs.get(accepted.job_id, EVERYTHING)
        seen.append((job.stage, job.done))

    house.embedder.before = look
    house.ingest(accepted)
    job = house.jobs.get(accepted.job_id, EVERYTHING)
    assert (job.state, job.stage, job.unit) == ("searchable", "publishing", "chunks")
    assert job.done == job.total == len(house.searchable_chunks())
    assert seen == sorted(seen)
    assert job.started_at is not None
    assert job.finished_at is not None
    assert job.error is None


def test_reports_are_thinned_but_never_the_last_of_a_stage(house: House) -> None:
    accepted = house.upload("a.txt", b"words")
    attempt = attempt_of(accepted)
    house.attempts.begin(attempt)
    moment = 0.0
    progress = Progress(house.attempts, attempt, clock=lambda: moment)

    def done() -> int:
        return house.jobs.get(accepted.job_id, EVERYTHING).done

    progress.report("parsing", 1, 9, "pages")
    progress.report("parsing", 2, 9, "pages")
    assert done() == 1
    moment = 1.0
    progress.report("parsing", 3, 9, "pages")
    assert done() == 3
    progress.report("parsing", 9, 9, "pages")
    assert done() == 9
    progress.report("chunking", 0, None, None)
    assert house.jobs.get(accepted.job_id, EVERYTHING).stage == "chunking"


def test_a_failed_job_says_why_and_can_be_retried(house: House) -> None:
    accepted = house.upload("a.txt", b"words")
    first = attempt_of(accepted)
    house.attempts.begin(first)
    assert house.attempts.fail(first, BAD_LUCK)
    job = house.jobs.get(accepted.job_id, EVERYTHING)
    assert (job.state, job.error, job.is_open) == ("failed", BAD_LUCK, False)
    again = house.jobs.retry(accepted.job_id, EVERYTHING)
    assert (again.state, again.attempt, again.error, again.started_at) == ("queued", 2, None, None)
    second = Attempt(again.id, again.attempt)
    assert (first.workflow_id, second.workflow_id) == (accepted.job_id, f"{accepted.job_id}.2")
    with pytest.raises(NoLongerWantedError):
        house.attempts.begin(first)
    assert not house.attempts.fail(first, BAD_LUCK)
    house.stages().parse(second)
    assert house.jobs.get(accepted.job_id, EVERYTHING).state == "running"


def test_a_cancelled_job_stops_its_work_and_leaves_nothing(house: House) -> None:
    accepted = house.upload("a.txt", b"some words here. " * 400)
    calls = iter(range(100))

    def cancel_at_second() -> None:
        if next(calls) == 1:
            house.jobs.cancel(accepted.job_id, EVERYTHING)

    house.embedder.before = cancel_at_second
    with pytest.raises(NoLongerWantedError):
        house.ingest(accepted)
    job = house.jobs.get(accepted.job_id, EVERYTHING)
    assert job.state == "cancelled"
    assert house.documents.get(accepted.document_id, EVERYTHING).version.state == "cancelled"
    assert house.searchable_text() == ""
    house.stages().clean(attempt_of(accepted))
    assert house.orphans() == NO_ORPHANS


def test_a_cancelled_job_can_be_retried_to_the_end(house: House) -> None:
    accepted = house.upload("a.txt", b"words")
    house.jobs.cancel(accepted.job_id, EVERYTHING)
    job = house.jobs.retry(accepted.job_id, EVERYTHING)
    stages, attempt = house.stages(), Attempt(job.id, job.attempt)
    for step in (stages.parse, stages.chunk, stages.embed, stages.publish):
        step(attempt)
    assert house.searchable_text() == "words"


def test_what_has_ended_is_neither_cancelled_nor_retried(house: House) -> None:
    accepted = house.add("a.txt", b"words")
    with pytest.raises(JobFinishedError):
        house.jobs.cancel(accepted.job_id, EVERYTHING)
    with pytest.raises(JobNotRetryableError):
        house.jobs.retry(accepted.job_id, EVERYTHING)


def test_a_version_that_was_overtaken_is_not_retried(house: House) -> None:
    first = house.upload("a.txt", b"old words")
    house.attempts.fail(attempt_of(first), BAD_LUCK)
    house.add("a.txt", b"new words", on_conflict=OnConflict.VERSION)
    with pytest.raises(JobNotRetryableError, match="newer"):
        house.jobs.retry(first.job_id, EVERYTHING)


def test_jobs_are_listed_newest_first_by_state_and_access(house: House) -> None:
    done = house.add("a.txt", b"a words")
    queued = [house.upload(f"{n}.txt", b"b words %d" % n) for n in range(3)]
    ids = [job.id for job in house.jobs.list(EVERYTHING)]
    assert ids == sorted((done.job_id, *(q.job_id for q in queued)), reverse=True)
    assert [job.id for job in house.jobs.list(EVERYTHING, where=JobFilter(state="searchable"))] == [
        done.job_id
    ]
    assert [job.id for job in house.jobs.list(EVERYTHING, cursor=ids[1], limit=1)] == [ids[2]]
    assert house.jobs.list(Access(frozenset())) == []
    still_open = {attempt.version_id for attempt in house.attempts.list_open()}
    assert still_open == {q.job_id for q in queued}


def test_without_access_a_job_is_not_there(house: House) -> None:
    accepted = house.upload("a.txt", b"words")
    for job_id, access in ((accepted.job_id, Access(frozenset())), (VersionId("no"), EVERYTHING)):
        with pytest.raises(JobNotFoundError):
            house.jobs.get(job_id, access)
        with pytest.raises(JobNotFoundError):
            house.jobs.cancel(job_id, access)


def test_a_person_is_told_facts_and_never_a_traceback() -> None:
    assert job_error(NoTextFoundError("no text")) == NO_TEXT
    assert job_error(IngestionInterruptedError("x")).retryable
    told = job_error(KeyError("secret words of a document"))
    assert told.code == "internal_error"
    assert "secret" not in told.message
