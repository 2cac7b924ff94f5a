"""What may go away by itself is tried again, a few times; what is permanent never is."""

import errno
from collections.abc import Callable

import pytest
import torch
from sqlalchemy.exc import IntegrityError, OperationalError

from ingestion.attempts import Attempt, job_error
from ingestion.errors import (
    MemoryShortError,
    NoTextFoundError,
    ParserCrashedError,
    PasswordRequiredError,
    StorageFullError,
    UnreadableDocumentError,
)
from ingestion.patience import NONE, patience_with
from ingestion.pipeline import run_attempt
from tests.unit.ingestion.house import EVERYTHING, NO_ORPHANS, House, attempt_of

TEXT = b"Some words of a text. " * 200
LOCKED = OperationalError("UPDATE", {}, Exception("database is locked"))


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (LOCKED, 6),
        (ConnectionResetError(), 6),
        (OSError(errno.EIO, "input/output error"), 6),
        (OSError(errno.ENOSPC, "no space"), 5),
        (StorageFullError("full"), 5),
        (MemoryError(), 5),
        (OSError(errno.ENOMEM, "cannot allocate memory"), 5),
        (MemoryShortError("killed"), 5),
        (RuntimeError("a bug"), 1),
        (ParserCrashedError("died"), 3),
        (UnreadableDocumentError("broken"), 1),
        (PasswordRequiredError("locked"), 1),
        (NoTextFoundError("empty"), 1),
        (IntegrityError("INSERT", {}, Exception("duplicate")), 1),
        (PermissionError(errno.EACCES, "not yours"), 1),
        (KeyError("a bug"), 1),
    ],
)
def test_transient_and_permanent_are_told_apart(error: Exception, tries: int) -> None:
    assert patience_with(error).max_tries == tries
    assert (patience_with(error) == NONE) == (tries == 1)


def test_memory_that_torch_did_not_get_is_short_as_any_other() -> None:
    with pytest.raises(RuntimeError) as refused:
        torch.empty(1 << 55)
    for error in (refused.value, MemoryError(), OSError(errno.ENOMEM, "no memory")):
        assert patience_with(error).max_tries == 5
        told = job_error(error)
        assert (told.code, told.retryable) == ("memory_short", True)


def test_pauses_double_up_to_a_limit() -> None:
    patience = patience_with(LOCKED)
    assert [patience.pause_s(failures) for failures in (1, 2, 3)] == [1.0, 2.0, 4.0]
    assert patience.pause_s(40) == 600.0


def fail_with(error: Exception) -> Callable[[], None]:
    def before() -> None:
        raise error

    return before


def test_a_transient_failure_waits_and_goes_on_where_it_stopped(house: House) -> None:
    accepted = house.upload("a.txt", TEXT)
    worker_id = house.workers().join()
    house.embedder.before = fail_with(LOCKED)
    again = run_attempt(attempt_of(accepted), house.stages(), worker_id)
    assert again is not None
    job = house.jobs.get(accepted.job_id, EVERYTHING)
    assert (job.state, job.attempt) == ("queued", 2)
    assert job.error is not None
    house.embedder.before = lambda: None
    assert len(house.store.staging.list()) == 1
    assert run_attempt(again.attempt, house.stages(), worker_id) is None
    job = house.jobs.get(accepted.job_id, EVERYTHING)
    assert (job.state, job.attempt) == ("searchable", 2)
    assert house.orphans() == NO_ORPHANS


def test_patience_ends_and_a_person_begins_it_anew(house: House) -> None:
    accepted = house.upload("a.txt", TEXT)
    worker_id = house.workers().join()
    house.embedder.before = fail_with(ParserCrashedError("died"))
    attempt: Attempt | None = attempt_of(accepted)
    pauses = []
    while attempt is not None:
        again = run_attempt(attempt, house.stages(), worker_id)
        attempt = again.attempt if again else None
        pauses += [again.pause_s] if again else []
    job = house.jobs.get(accepted.job_id, EVERYTHING)
    assert job.error is not None
    assert (job.state, job.attempt, job.error.code) == ("failed", 3, "parser_crashed")
    assert pauses == [1.0, 2.0]
    job = house.jobs.retry(accepted.job_id, EVERYTHING)
    again = run_attempt(Attempt(job.id, job.attempt), house.stages(), worker_id)
    assert again is not None
    assert again.pause_s == 1.0
