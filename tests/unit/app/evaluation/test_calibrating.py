"""Calibration: fitted to an owner's questions, kept for one collection, used there alone."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.asking import default_options
from app.calibrations import Calibrations, StoredCalibration
from app.evaluation.calibrating import MIN_EACH, Calibrated, TooFewQuestionsError, calibrate
from app.evaluation.cases import load_cases
from core.access import Access, Caller
from core.calibration_tables import CalibrationRow
from core.ids import CollectionId
from core.settings import GenerationSettings
from generation.confidence import BUILT_IN, Weights
from generation.prompts import load_prompt
from tests.fakes_generation import WatchedGenerator
from tests.unit.app.house import House

STORED = StoredCalibration(Weights(-1.5, {"similarity": 2.0}), 0.4, 60, "a" * 64)
OPTIONS = default_options(GenerationSettings())
COLOURS = ("red", "blue", "green", "yellow", "purple", "orange", "brown", "white")
THINGS = ("door", "boat", "roof", "chair", "fence", "lamp", "carpet", "bridge", "tower", "bench")


def _default(house: House) -> CollectionId:
    return house.services.collections.get("default", Access.to_everything()).id


def _only(collection_id: CollectionId) -> Access:
    return Access.to_everything().narrowed_to([collection_id])


def _fit(house: House, folder: Path, *, num_each: int) -> Calibrated:
    named = [f"{thing} number {n}" for n in range(1, 4) for thing in THINGS][:num_each]
    told = [f"The {name} is {COLOURS[n % 8]} like the sky." for n, name in enumerate(named)]
    house.add("things.txt", "\n\n".join(told))
    rows: list[dict[str, object]] = [
        {"question": f"What colour is the {name}?", "answers": [COLOURS[n % 8]]}
        for n, name in enumerate(named)
    ]
    rows += [{"question": f"Who sold the {name} to Martha?", "answerable": False} for name in named]
    source = folder / "questions.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    access = _only(_default(house))
    return calibrate(house.services, load_cases(source), access, source=source)


def test_questions_of_both_sides_give_weights_a_threshold_and_curves(
    house: House, tmp_path: Path
) -> None:
    done = _fit(house, tmp_path, num_each=20)

    kept = done.calibration
    assert kept.num_questions == 40
    assert len(kept.questions_sha256) == 64
    assert 0 < kept.min_confidence < 1
    assert done.num_right >= MIN_EACH
    assert done.refused_but_right <= 0.25
    assert done.gain.low <= done.gain.value <= done.gain.high
    assert {len(points) for points in done.curves.values()} == {40}
    # who asks for a colour is answered, who asks for a seller is not: that can be learnt
    assert done.right_when_answered > 0.8


def test_questions_are_asked_with_the_prompt_that_is_active_in_the_collection(
    tmp_path: Path, migrated: Path
) -> None:
    generator = WatchedGenerator()
    house = House(shutil.copytree(migrated, tmp_path / "data"), generator=generator)
    house.services.active_prompts.activate(_default(house), "few_shot", Caller.owner())

    _fit(house, tmp_path, num_each=15)

    examples = load_prompt("few_shot").own_examples("en")
    shown = [[each.content for each in prompt] for prompt in generator.prompts]
    assert shown
    assert all(examples[0].answer in told for told in shown)
    house.close()


def test_too_few_questions_are_refused_with_their_numbers(house: House, tmp_path: Path) -> None:
    with pytest.raises(TooFewQuestionsError, match=str(MIN_EACH)):
        _fit(house, tmp_path, num_each=4)


def test_a_calibration_is_kept_replaced_and_forgotten(house: House) -> None:
    calibrations, collection = house.services.calibrations, _default(house)
    assert calibrations.find(collection) is None

    calibrations.store(collection, STORED)
    assert calibrations.find(collection) == STORED
    calibrations.store(collection, replace(STORED, min_confidence=0.6))
    assert calibrations.find(collection) == replace(STORED, min_confidence=0.6)

    assert calibrations.remove(collection)
    assert not calibrations.remove(collection)
    assert calibrations.find(collection) is None


def test_a_collection_calibrated_again_is_dated_anew(house: House) -> None:
    services, collection = house.services, _default(house)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    services.calibrations.store(collection, STORED)
    with services.database.session_scope() as session:
        session.get_one(CalibrationRow, collection).created_at = long_ago

    services.calibrations.store(collection, STORED)

    with services.database.read_scope() as session:
        assert session.get_one(CalibrationRow, collection).created_at > long_ago


def test_a_calibration_of_another_embedding_model_is_not_used(house: House) -> None:
    collection = _default(house)
    Calibrations(house.services.database, "another").store(collection, STORED)

    assert house.services.calibrations.find(collection) is None


def test_it_decides_where_its_collection_alone_is_asked(house: House) -> None:
    services, collection = house.services, _default(house)
    other = services.collections.create("other").id
    services.calibrations.store(collection, STORED)

    alone = services.calibrations.applied(OPTIONS, _only(collection))
    assert alone.min_confidence == 0.4
    assert alone.calibration.within["en"] == STORED.weights
    for access in (
        Access.to_everything(),
        _only(other),
        Access.to_everything().narrowed_to([collection, other]),
    ):
        assert services.calibrations.applied(OPTIONS, access).calibration == BUILT_IN


def test_a_collection_that_is_deleted_takes_its_calibration_along(house: House) -> None:
    services = house.services
    other = services.collections.create("other").id
    services.calibrations.store(other, STORED)

    services.collections.delete("other", Access.to_everything())

    assert services.calibrations.find(other) is None


def test_the_collections_threshold_refuses_and_the_requests_own_goes_before_it(
    house: House,
) -> None:
    house.add("pool.txt", "The swimming pool opens at nine in the morning.")
    never = StoredCalibration(Weights(-9.0, {}), 0.9, 60, "a" * 64)
    house.services.calibrations.store(_default(house), never)
    body = {"question": "When does the swimming pool open?", "collections": ["default"]}

    refused = house.client.post("/v1/answer", json=body).json()
    answered = house.client.post("/v1/answer", json={**body, "min_confidence": 0}).json()

    assert refused["status"] == "refused"
    assert answered["status"] == "answered"
