"""Where a model is put: what the settings ask for, on one device or shared by several."""

from contextlib import closing
from pathlib import Path

import pytest
import torch

from core.settings import GenerationSettings
from generation.engine.errors import UnsupportedModelError
from generation.engine.params import SamplingParams
from generation.placement import Placed, choose_device, engine_settings, place_model
from tests.unit.generation.engine.tiny import tiny_config, tiny_tensors, write_gguf

PROMPT = [5, 6, 7, 8, 9, 10] * 5
needs_no_card = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a card")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    config = tiny_config(vocab_size=280, max_positions=256)
    return write_gguf(tmp_path / "tiny.gguf", tiny_tensors(config), config)


def write(placed: Placed) -> list[int]:
    return list(placed.engine.generate(PROMPT, SamplingParams(max_tokens=12)))


def test_two_processes_that_share_a_model_write_what_one_writes(path: Path) -> None:
    settings = GenerationSettings(weights="float32", device="cpu", num_threads=1)
    with closing(place_model(path, settings, cache_dir=None)) as alone:
        expected = write(alone)
    shared_settings = settings.model_copy(update={"num_devices": 2})
    with closing(place_model(path, shared_settings, cache_dir=None)) as shared:
        assert write(shared) == expected
        assert shared.loaded.sha256 == alone.loaded.sha256


def test_few_bits_are_refused_for_a_team(path: Path) -> None:
    settings = GenerationSettings(weights="int8", num_devices=2)
    with pytest.raises(UnsupportedModelError, match="NUM_DEVICES"):
        place_model(path, settings, cache_dir=None)


@needs_no_card
def test_a_card_that_is_not_there_is_refused_with_the_setting() -> None:
    with pytest.raises(UnsupportedModelError, match="CIMIENTO_GENERATION__DEVICE"):
        choose_device("cuda")


@needs_no_card
def test_without_a_card_the_processor_computes() -> None:
    assert [choose_device(wanted) for wanted in ("auto", "cpu")] == ["cpu", "cpu"]


def test_what_is_not_set_suits_the_processor() -> None:
    unset = engine_settings(GenerationSettings())
    assert (unset.kv_bytes, unset.max_batch_tokens) == (256 << 20, 512)
    chosen = engine_settings(GenerationSettings(kv_bytes=1 << 20, max_batch_tokens=99))
    assert (chosen.kv_bytes, chosen.max_batch_tokens) == (1 << 20, 99)
