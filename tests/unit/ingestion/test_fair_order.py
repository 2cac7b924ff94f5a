"""Ten thousand files of one do not hold up one file of another."""

from ingestion.attempts import Attempt
from tests.unit.ingestion.house import EVERYTHING, House


def turns(house: House) -> list[str]:
    """Names of what is queued, in the order in which workers take it."""
    order = {attempt.version_id: attempt.turn for attempt in house.attempts.list_open(("queued",))}
    jobs = [job for job in house.jobs.list(EVERYTHING) if job.id in order]
    return [job.document_name for job in sorted(jobs, key=lambda job: (order[job.id], job.id))]


def work_off(house: House, num_jobs: int) -> None:
    """Take the next jobs in their order, and end them."""
    for _ in range(num_jobs):
        first = min(house.attempts.list_open(("queued",)), key=lambda attempt: attempt.turn)
        house.attempts.begin(first)
        house.jobs.cancel(first.version_id, EVERYTHING)


def send(house: House, uploader: str, *names: str) -> None:
    for name in names:
        house.upload(name, name.encode(), uploader=uploader)


def test_a_small_upload_passes_a_large_one_after_one_file(house: House) -> None:
    send(house, "bulk", *(f"bulk-{number}.txt" for number in range(6)))
    send(house, "ann", "ann-0.txt", "ann-1.txt")
    assert turns(house)[:4] == ["bulk-0.txt", "ann-0.txt", "bulk-1.txt", "ann-1.txt"]


def test_who_comes_late_shares_from_then_on_and_catches_nothing_up(house: House) -> None:
    send(house, "bulk", *(f"bulk-{number}.txt" for number in range(6)))
    work_off(house, 4)
    send(house, "ann", *(f"ann-{number}.txt" for number in range(3)))
    assert turns(house) == ["bulk-4.txt", "ann-0.txt", "bulk-5.txt", "ann-1.txt", "ann-2.txt"]


def test_what_one_did_before_costs_nothing_later(house: House) -> None:
    send(house, "bulk", *(f"bulk-{number}.txt" for number in range(4)))
    work_off(house, 4)
    send(house, "ann", "ann-0.txt", "ann-1.txt")
    send(house, "bulk", "bulk-9.txt")
    assert turns(house) == ["ann-0.txt", "bulk-9.txt", "ann-1.txt"]


def test_a_retry_comes_behind_what_waits_in_its_lane(house: House) -> None:
    first = house.upload("first.txt", b"first", uploader="ann")
    send(house, "ann", "second.txt", "third.txt")
    house.jobs.cancel(first.job_id, EVERYTHING)
    job = house.jobs.retry(first.job_id, EVERYTHING)
    assert Attempt(job.id, job.attempt) in house.attempts.list_open()
    assert turns(house) == ["second.txt", "third.txt", "first.txt"]
