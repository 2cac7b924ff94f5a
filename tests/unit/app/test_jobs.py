"""Jobs over HTTP: progress as events, retry, cancel."""

from typing import Any

import pytest

from core.access import Access
from core.ids import VersionId
from ingestion.attempts import Attempt, JobError, Reading
from tests.unit.app.house import POOL, House
from tests.unit.app.sse import read_events
from tests.unit.ingestion import files

BROKEN = b"%PDF-1.7\nthis is no PDF at all"


def queue(house: House, name: str = "pool.txt", data: str | bytes = POOL) -> str:
    """Upload; returns the job's id."""
    job_id: str = house.upload(name, data).json()["job_id"]
    return job_id


def fail(house: House, job_id: str) -> None:
    """End a job as failed."""
    reason = JobError("unreadable_document", "the PDF is broken", retryable=False)
    house.services.attempts.fail(Attempt(VersionId(job_id), 1), reason)


def test_a_job_tells_how_far_it_is(house: House) -> None:
    job_id = queue(house)
    attempt = Attempt(VersionId(job_id), 1)
    house.services.attempts.begin(attempt)
    house.services.attempts.report(attempt, Reading("embedding", 3, 9, "chunks", rate=2.0))
    job = house.client.get(f"/v1/jobs/{job_id}").json()
    assert (job["state"], job["stage"]) == ("running", "embedding")
    assert (job["done"], job["total"], job["unit"], job["attempt"]) == (3, 9, "chunks", 1)
    assert (job["rate"], job["eta_s"]) == (2.0, 3.0)


def test_a_failed_job_says_why(house: House) -> None:
    job_id = queue(house)
    fail(house, job_id)
    error = house.client.get(f"/v1/jobs/{job_id}").json()["error"]
    assert error["code"] == "unreadable_document"
    assert error["retryable"] is False
    listed = house.client.get("/v1/jobs?state=failed").json()["items"]
    assert [job["id"] for job in listed] == [job_id]
    assert house.client.get("/v1/jobs?state=queued").json()["items"] == []
    assert house.client.get("/v1/jobs?state=failed&collection=default").json()["items"] == listed
    assert house.client.get(f"/v1/jobs?document_id={listed[0]['document_id']}").json()["items"]
    assert house.client.get("/v1/jobs?document_id=doc_of_none").json()["items"] == []
    assert house.client.get("/v1/jobs?collection=unknown").status_code == 404


def finish(house: House, job_id: str) -> None:
    house.ingest()


def cancel(house: House, job_id: str) -> None:
    house.services.jobs.cancel(VersionId(job_id), Access.to_everything())


@pytest.mark.parametrize(
    ("end", "state"), [(finish, "searchable"), (fail, "failed"), (cancel, "cancelled")]
)
def test_events_of_an_ended_job_are_one_done(house: House, end: Any, state: str) -> None:
    job_id = queue(house)
    end(house, job_id)
    response = house.client.get(f"/v1/jobs/{job_id}/events")
    assert response.headers["content-type"].startswith("text/event-stream")
    events = read_events(response.text)
    assert [event.name for event in events] == ["done"]
    assert events[0].data["state"] == state


def test_a_failed_job_can_be_retried(house: House) -> None:
    job_id = queue(house)
    fail(house, job_id)
    job = house.client.post(f"/v1/jobs/{job_id}/retry").json()
    assert (job["state"], job["attempt"], job["error"]) == ("queued", 2, None)
    attempt = Attempt(VersionId(job_id), 2)
    assert house.services.queue.statuses([attempt]) == {attempt: "ENQUEUED"}


def test_a_retry_can_bring_the_password_and_asks_for_no_body(house: House) -> None:
    job_id = queue(house, "a.pdf", files.build_pdf([["The river rises"]], password="secret"))
    fail(house, job_id)
    too_long = house.client.post(f"/v1/jobs/{job_id}/retry", json={"password": "x" * 300})
    assert (too_long.status_code, too_long.json()["errors"][0]["field"]) == (422, "password")
    again = house.client.post(f"/v1/jobs/{job_id}/retry", json={"password": "secret"})
    assert "secret" not in again.text
    house.ingest()
    assert house.client.get(f"/v1/jobs/{job_id}").json()["state"] == "searchable"


def test_a_job_that_did_not_fail_cannot_be_retried(house: House) -> None:
    job_id = queue(house)
    response = house.client.post(f"/v1/jobs/{job_id}/retry")
    assert (response.status_code, response.json()["code"]) == (409, "job_not_retryable")


def test_a_queued_job_can_be_cancelled_once(house: House) -> None:
    job_id = queue(house)
    assert house.client.delete(f"/v1/jobs/{job_id}").json()["state"] == "cancelled"
    again = house.client.delete(f"/v1/jobs/{job_id}")
    assert (again.status_code, again.json()["code"]) == (409, "job_finished")
