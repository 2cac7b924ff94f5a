"""A worker brings every upload to its one end."""

from dataclasses import replace

import pytest
from sqlalchemy import column, create_engine, table, update

from core.ids import WorkerId
from ingestion.attempts import Attempt, JobError
from ingestion.parsing.sandbox import Sandbox
from ingestion.workflow import IngestionQueue
from tests.integration.ingestion.running import all_ended, states
from tests.integration.waiting import until
from tests.unit.ingestion import files, office_files
from tests.unit.ingestion.house import (
    EVERYTHING,
    LIMITS,
    NO_ORPHANS,
    DirectSandbox,
    House,
    attempt_of,
)

HOSTILE = "tests.integration.ingestion.hostile_parser"


def test_an_upload_becomes_searchable(house: House, queue: IngestionQueue) -> None:
    accepted = house.upload("a.pdf", files.build_pdf([["The river rises"], ["and ends here"]]))
    queue.enqueue(attempt_of(accepted))
    queue.enqueue(attempt_of(accepted))
    with house.worker():
        until(lambda: all_ended(house))
    job = house.jobs.get(accepted.job_id, EVERYTHING)
    assert (job.state, job.error, job.done, job.total) == ("searchable", None, 2, 2)
    assert house.searchable_text() == "The river rises\nand ends here"
    assert house.orphans() == NO_ORPHANS


def test_bad_files_fail_with_a_reason_and_hold_nothing_up(
    house: House, queue: IngestionQueue
) -> None:
    bad = {
        "unreadable_document": b"%PDF-1.7 broken",
        "password_required": files.build_pdf([["x"]], password="secret"),
        "no_text_found": b"  \n\n ",
    }
    jobs = {code: house.upload(f"{code}.pdf", data) for code, data in bad.items()}
    good = house.upload("good.txt", b"good words")
    for accepted in (*jobs.values(), good):
        queue.enqueue(attempt_of(accepted))
    with house.worker():
        until(lambda: all_ended(house))
    for code, accepted in jobs.items():
        job = house.jobs.get(accepted.job_id, EVERYTHING)
        assert job.state == "failed"
        assert job.error is not None
        assert (job.error.code, job.error.retryable) == (code, False)
    assert house.searchable_text() == "good words"
    assert house.orphans() == NO_ORPHANS


@pytest.mark.parametrize("order", ["crash", "eat"])
def test_a_file_that_breaks_its_parser_fails_alone(
    house: House, queue: IngestionQueue, order: str
) -> None:
    hostile, good = house.upload("bad.txt", order.encode()), house.upload("good.txt", b"look")
    for accepted in (hostile, good):
        queue.enqueue(attempt_of(accepted))
    small = replace(LIMITS, memory_bytes=512 << 20)
    with house.worker(Sandbox(small, child_module=HOSTILE)):
        until(lambda: all_ended(house))
    assert states(house) == {"failed": 1, "searchable": 1}
    assert house.jobs.get(good.job_id, EVERYTHING).state == "searchable"


def test_an_upload_that_was_never_enqueued_is_found(house: House) -> None:
    house.upload("a.txt", b"words")
    with house.worker():
        until(lambda: all_ended(house))
    assert house.searchable_text() == "words"


def test_what_is_attached_is_queued_before_the_mail_is_done(
    house: House, queue: IngestionQueue
) -> None:
    attached = [("a.txt", b"the first"), ("b.txt", b"the second")]
    mail = attempt_of(house.upload("mail.eml", office_files.build_mail("See below.", attached)))
    queue.enqueue(mail)
    with house.worker():
        until(lambda: queue.statuses([mail]).get(mail) == "SUCCESS")
        children = [Attempt(job.id, 1) for job in house.jobs.list_attached(mail.version_id)]
        assert len(children) == 2
        assert set(queue.statuses(children)) == set(children)
        until(lambda: all_ended(house))
    assert states(house) == {"searchable": 3}


def test_a_failed_job_is_retried_as_a_new_attempt(house: House, queue: IngestionQueue) -> None:
    accepted = house.upload("a.txt", b"words")
    queue.enqueue(attempt_of(accepted))
    house.embedder.before = _raise
    with house.worker():
        until(lambda: all_ended(house))
        job = house.jobs.get(accepted.job_id, EVERYTHING)
        assert job.error is not None
        assert (job.error.code, job.error.retryable) == ("internal_error", True)
        house.embedder.before = lambda: None
        again = house.jobs.retry(accepted.job_id, EVERYTHING)
        queue.enqueue(Attempt(again.id, again.attempt))
        until(lambda: all_ended(house))
    job = house.jobs.get(accepted.job_id, EVERYTHING)
    assert (job.state, job.attempt, job.error) == ("searchable", 2, None)
    assert house.searchable_text() == "words"
    assert house.orphans() == NO_ORPHANS


def _raise() -> None:
    raise RuntimeError("the model fell over")


def test_a_wrong_password_is_an_end_that_a_right_one_mends(
    house: House, queue: IngestionQueue
) -> None:
    encrypted = files.build_pdf([["The river rises"]], password="secret")
    accepted = house.upload("a.pdf", encrypted, password="guess")
    queue.enqueue(attempt_of(accepted))
    with house.worker():
        until(lambda: all_ended(house))
        job = house.jobs.get(accepted.job_id, EVERYTHING)
        assert job.error is not None
        assert job.error.code == "password_wrong"
        again = house.jobs.retry(accepted.job_id, EVERYTHING, password="secret")
        queue.enqueue(Attempt(again.id, again.attempt))
        until(lambda: all_ended(house))
    assert house.searchable_text() == "The river rises"
    assert house.orphans() == NO_ORPHANS


def test_a_transient_error_is_tried_again_by_itself(house: House, queue: IngestionQueue) -> None:
    accepted = house.upload("a.txt", b"words")
    queue.enqueue(attempt_of(accepted))
    calls = iter(range(10))

    def fail_twice() -> None:
        if next(calls) < 2:
            raise ConnectionResetError("for a moment")

    house.embedder.before = fail_twice
    with house.worker():
        until(lambda: all_ended(house))
    job = house.jobs.get(accepted.job_id, EVERYTHING)
    assert (job.state, job.attempt) == ("searchable", 3)


def test_a_document_deleted_while_it_is_parsed_stops_its_parser(
    house: House, queue: IngestionQueue
) -> None:
    accepted, good = house.upload("bad.txt", b"sleep"), house.upload("good.txt", b"look")
    for each in (accepted, good):
        queue.enqueue(attempt_of(each))
    with house.worker(Sandbox(LIMITS, child_module=HOSTILE)):
        until(lambda: house.jobs.get(accepted.job_id, EVERYTHING).done == 1)
        house.documents.delete(accepted.document_id, EVERYTHING)
        until(lambda: all_ended(house))
    assert [job.id for job in house.jobs.list(EVERYTHING)] == [good.job_id]
    assert house.orphans() == NO_ORPHANS


def test_a_cancelled_job_stops_its_parser(house: House, queue: IngestionQueue) -> None:
    accepted, good = house.upload("bad.txt", b"sleep"), house.upload("good.txt", b"look")
    for each in (accepted, good):
        queue.enqueue(attempt_of(each))
    with house.worker(Sandbox(LIMITS, child_module=HOSTILE)):
        until(lambda: house.jobs.get(accepted.job_id, EVERYTHING).state == "running")
        house.jobs.cancel(accepted.job_id, EVERYTHING)
        until(lambda: all_ended(house))
    assert states(house) == {"cancelled": 1, "searchable": 1}
    assert house.orphans() == NO_ORPHANS


def test_a_job_whose_workflow_was_lost_is_begun_anew(house: House, queue: IngestionQueue) -> None:
    accepted = house.upload("a.txt", b"words")
    attempt = attempt_of(accepted)
    house.attempts.fail(attempt, JobError("x", "x", retryable=True))
    queue.enqueue(attempt)
    with house.worker():
        until(lambda: queue.statuses([attempt]) == {attempt: "SUCCESS"})
        # by the same worker: one that stops forgets what has ended
        with house.database.session_scope() as session:
            session.connection().exec_driver_sql("UPDATE jobs SET state = 'running'")
        until(lambda: all_ended(house))
    job = house.jobs.get(accepted.job_id, EVERYTHING)
    assert (job.state, job.attempt) == ("searchable", 2)


def test_a_job_that_its_worker_does_not_know_of_is_begun_anew(
    house: House, queue: IngestionQueue
) -> None:
    accepted = house.upload("a.txt", b"words")
    with house.worker(DirectSandbox(LIMITS)):
        (worker_id,) = house.workers().find_living()
        # as the queue stands where the database went away when the claim had been written, and
        # before the worker was told of it
        queue.enqueue(attempt_of(accepted), delay_s=3600.0)
        claim(house, worker_id)
        # it is noticed at the second look of the reconciler, which a busy machine delays
        until(lambda: all_ended(house), within_s=240.0)
    job = house.jobs.get(accepted.job_id, EVERYTHING)
    assert (job.state, job.attempt) == ("searchable", 2)


def claim(house: House, worker_id: WorkerId) -> None:
    """Write into the queue that the worker has whatever is in it."""
    schema = None if house.jobs_url.startswith("sqlite") else "dbos"
    workflows = table("workflow_status", column("status"), column("executor_id"), schema=schema)
    engine = create_engine(house.jobs_url)
    with engine.begin() as connection:
        connection.execute(update(workflows).values(status="PENDING", executor_id=worker_id))
    engine.dispose()
