"""An extractor beside a reader: named by a setting, told by the receipt, explained by a replay."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from app.judging_models import build_pointer
from core.errors import SettingsError
from core.settings import ModelSettings, Settings
from core.tuned_embedding import TUNED, TunedEmbedding
from generation.extracting import NO_POINTER, ExtractedSpan, Extraction
from tests.unit.app.house import POOL, House

QUESTION = "When does the swimming pool open in the morning?"


class Finger:
    """Points at nine, in every passage."""

    def __init__(self, name: str) -> None:
        self.name = name

    def point(self, question: str, passages: Sequence[str]) -> list[Extraction]:  # a `Pointer`
        return [
            Extraction((ExtractedSpan("nine", text.find("nine"), text.find("nine") + 4, 0.9),), 0.1)
            for text in passages
        ]


def reading(house: House, name: str, style: str = "read") -> House:
    """The same house in another style, with an extractor of this name."""
    settings = house.services.settings
    generation = settings.generation.model_copy(update={"style": style})
    changed = settings.model_copy(update={"generation": generation})
    return house.behind(replace(house.services, settings=changed, pointer=Finger(name)))


def ask(house: House) -> dict[str, Any]:
    reply: dict[str, Any] = house.client.post(
        "/v1/answer", json={"question": QUESTION, "min_confidence": 0.0}
    ).json()
    return reply


def test_the_receipt_names_the_extractor_where_one_was_asked(house: House) -> None:
    house.add("pool.txt", POOL)
    assert ask(reading(house, "finger@1", "quote"))["receipt"]["extractor"] == ""
    answer = ask(reading(house, "finger@1"))
    assert answer["receipt"]["extractor"] == "finger@1"
    assert "nine" in answer["answer"]


def test_a_replay_says_that_another_extractor_points(house: House) -> None:
    house.add("pool.txt", POOL)
    answer = ask(reading(house, "finger@1"))
    again = reading(house, "finger@2").client.post(f"/v1/answers/{answer['id']}/replay").json()
    assert [cause["kind"] for cause in again["causes"]] == ["extractor"]
    assert again["same"]


def test_a_file_that_is_none_is_refused_at_the_start(tmp_path: Path) -> None:
    tuned = TunedEmbedding("none", 32, "", "", 0.1, 0.1, 0.1, is_forced=False)
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / TUNED).write_text(json.dumps(asdict(tuned)), encoding="utf-8")
    extractor = tmp_path / "none.safetensors"
    models = ModelSettings(dir=tmp_path, embedding="tiny", extractor=extractor)
    with pytest.raises(SettingsError, match="CIMIENTO_MODELS__EXTRACTOR: there is no"):
        build_pointer(Settings(data_dir=tmp_path, models=models))
    assert build_pointer(Settings(data_dir=tmp_path)) is NO_POINTER
