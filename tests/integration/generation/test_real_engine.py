"""The engine on the real weights: caches, chunks and seeds change only what they should."""

import time

import pytest
import torch

from generation.engine import Engine, SamplingParams
from generation.local_model import LoadedModel, load_model
from generation.types import Message
from tests.integration.generation.conftest import ModelFiles
from tests.integration.generation.prompts import PASSAGE, QUESTIONS

pytestmark = pytest.mark.weights
MAX_LOAD_S = 5.0


def test_the_model_loads_in_under_five_seconds(model_files: ModelFiles) -> None:
    load_model(model_files.answer_model)  # from here on the disk is warm
    started = time.perf_counter()
    load_model(model_files.answer_model)
    assert time.perf_counter() - started < MAX_LOAD_S


@torch.inference_mode()
def test_cached_decoding_equals_a_full_pass(loaded: LoadedModel) -> None:
    ids = torch.tensor([loaded.tokenizer.encode(PASSAGE)[:40]])
    cache = loaded.model.new_cache(64)
    steps = [loaded.model(ids[:, i : i + 1], cache) for i in range(ids.shape[1])]
    assert (torch.cat(steps, dim=1) - loaded.model(ids)).abs().max() < 1e-3


@torch.inference_mode()
def test_chunked_prefill_equals_whole(loaded: LoadedModel) -> None:
    ids = torch.tensor([loaded.tokenizer.encode(PASSAGE)])
    cache = loaded.model.new_cache(512)
    chunks = [loaded.model(chunk, cache) for chunk in torch.split(ids, 64, dim=1)]
    assert (torch.cat(chunks, dim=1) - loaded.model(ids)).abs().max() < 1e-3


def test_a_reused_prefix_gives_what_a_fresh_engine_gives(loaded: LoadedModel) -> None:
    first, second = (
        loaded.tokenizer.render_chat([Message("system", PASSAGE), Message("user", question)])
        for question in ("When was the lighthouse finished?", "¿Cuándo se hundió el Sirio?")
    )
    params = SamplingParams(max_tokens=16, stop_ids=loaded.tokenizer.stop_ids)
    warm = Engine(loaded.model, max_context=1024)
    list(warm.generate(first, params))
    reused = warm.generate(second, params)
    fresh = Engine(loaded.model, max_context=1024).generate(second, params)
    assert list(reused) == list(fresh)
    assert reused.num_reused_tokens > 200
    assert fresh.num_reused_tokens == 0


def test_the_same_seed_gives_the_same_text(loaded: LoadedModel, engine: Engine) -> None:
    prompt = loaded.tokenizer.render_chat([Message("user", QUESTIONS[2])])
    first, again, other = (
        list(engine.generate(prompt, SamplingParams(temperature=0.9, seed=s, max_tokens=16)))
        for s in (5, 5, 6)
    )
    assert first == again != other


@torch.inference_mode()
def test_score_equals_the_log_softmax_of_a_full_pass(loaded: LoadedModel, engine: Engine) -> None:
    prompt = loaded.tokenizer.render_chat([Message("user", QUESTIONS[0])])
    answers = [loaded.tokenizer.encode(text) for text in ("Paris", "The capital is Lyon.", "No")]
    for ids, score in zip(answers, engine.score(prompt, answers), strict=True):
        rows = loaded.model(torch.tensor([prompt + ids]))[0].log_softmax(-1)
        expected = sum(float(rows[len(prompt) - 1 + i, token]) for i, token in enumerate(ids))
        assert score == pytest.approx(expected, abs=1e-3)


def test_an_answer_streams_as_whole_characters(loaded: LoadedModel, engine: Engine) -> None:
    prompt = loaded.tokenizer.render_chat([Message("user", "Repite: año, niño, corazón, 👋")])
    decoder = loaded.tokenizer.stream_decoder()
    params = SamplingParams(max_tokens=24, stop_ids=loaded.tokenizer.stop_ids)
    output = list(engine.generate(prompt, params))
    text = "".join(map(decoder.push, output)) + decoder.flush()
    assert text == loaded.tokenizer.decode(output)
