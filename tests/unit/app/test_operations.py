"""Owners see how the service stands; nobody else does."""

from app.calibrations import StoredCalibration
from core.access import Access
from generation.confidence import BUILT_IN
from tests.unit.app.house import House

PATH = "/v1/operations"


def test_work_and_storage_are_counted(house: House) -> None:
    before = house.client.get(PATH).json()
    house.add("pool.md", "The pool opens at nine.")
    house.add("same.md", "The pool opens at nine.")
    house.add("broken.pdf", b"%PDF-1.7 broken")
    after = house.client.get(PATH).json()
    assert before["jobs"] == {"queued": 0, "running": 0}
    assert after["jobs"] == {"queued": 0, "running": 0, "searchable": 2, "failed": 1}
    assert after["last_day"]["documents"] == 2
    assert after["last_day"]["failed"] == 1
    assert after["last_day"]["chunks"] == 2
    # the same bytes are kept once
    num_bytes = len("The pool opens at nine.") + len("%PDF-1.7 broken")
    assert after["storage"]["documents"] == num_bytes
    assert after["storage"]["database"] > 0
    assert after["storage"]["free"] > 0
    assert after["models"]["answers"] == house.services.generator.model
    assert after["answering"] == 0


def test_what_waits_says_since_when(house: House) -> None:
    accepted = house.upload("late.md", "Words.").json()
    queued = house.client.get(PATH).json()
    job = house.client.get(f"/v1/jobs/{accepted['job_id']}").json()
    assert queued["jobs"]["queued"] == 1
    assert queued["queued_since"] == job["created_at"]


def test_only_owners_of_the_service_see_it(house: House) -> None:
    house.client.post("/v1/collections", json={"name": "brief"})
    _, key = house.services.credentials.create_key("one", collections=["brief"])
    refused = house.new_client({"Authorization": f"Bearer {key}"}).get(PATH)
    assert refused.json()["code"] == "forbidden"


def test_a_collection_says_from_which_confidence_on_it_is_answered_from(house: House) -> None:
    path = "/v1/collections/default/confidence"
    usual = house.services.settings.generation.min_confidence
    assert house.client.get(path).json() == {"min_confidence": usual, "num_questions": None}
    collection = house.services.collections.get("default", Access.to_everything())
    fitted = StoredCalibration(next(iter(BUILT_IN.within.values())), 0.35, 120, "ab" * 32)
    house.services.calibrations.store(collection.id, fitted)
    assert house.client.get(path).json() == {"min_confidence": 0.35, "num_questions": 120}
