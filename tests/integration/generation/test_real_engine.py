"""The engine on the real weights: caches and seeds change only what they should."""

import pytest
import torch

from generation.engine.attention import PackedContext
from generation.engine.engine import Engine, EngineSettings
from generation.engine.kv_cache import KVCache, Span
from generation.engine.params import SamplingParams
from generation.local_model import LoadedModel
from generation.types import Message
from tests.integration.generation.prompts import PASSAGE, QUESTIONS

pytestmark = pytest.mark.weights
_PAGE = 16
SCATTERED = [7, 2, 30, 11, 12, 0, 25, 4, 19, 28, 9, 1, 22, 17, 14, 5, 31, 8, 27, 20, 3, 13]


@pytest.mark.parametrize("pages", [range(22), SCATTERED])
@pytest.mark.parametrize(("num_tokens", "chunk"), [(40, 1), (330, 64)])
@torch.inference_mode()
def test_what_is_cached_in_parts_equals_a_full_pass(
    loaded: LoadedModel, num_tokens: int, chunk: int, pages: list[int]
) -> None:
    ids = torch.tensor(loaded.tokenizer.encode(PASSAGE)[:num_tokens])
    positions = torch.arange(len(ids))
    cache = KVCache(loaded.config, num_pages=32, page_size=_PAGE, dtype=torch.float32)
    hidden = [
        loaded.model(
            ids[start : start + chunk],
            positions[start : start + chunk],
            cache.context([Span(pages, start, min(start + chunk, len(ids)))]),
        )
        for start in range(0, len(ids), chunk)
    ]
    whole = loaded.model(ids, positions, PackedContext([len(ids)]))
    difference = loaded.model.logits(torch.cat(hidden)) - loaded.model.logits(whole)
    assert difference.abs().max() < 1e-3


def test_a_reused_prefix_gives_what_a_fresh_engine_gives(loaded: LoadedModel) -> None:
    first, second = (
        loaded.tokenizer.render_chat([Message("system", PASSAGE), Message("user", question)])
        for question in ("When was the lighthouse finished?", "¿Cuándo se hundió el Sirio?")
    )
    params = SamplingParams(max_tokens=16, stop_ids=loaded.tokenizer.stop_ids)
    engine = Engine(loaded.model, EngineSettings(max_context=1024, num_threads=1))
    list(engine.generate(first, params, tenant="warm"))
    reused = engine.generate(second, params, tenant="warm")
    fresh = engine.generate(second, params, tenant="another")
    assert list(reused) == list(fresh)
    assert reused.num_reused_tokens > 200
    assert fresh.num_reused_tokens == 0
    engine.close()


def test_the_same_seed_gives_the_same_text(loaded: LoadedModel, engine: Engine) -> None:
    prompt = loaded.tokenizer.render_chat([Message("user", QUESTIONS[2])])
    first, again, other = (
        list(engine.generate(prompt, SamplingParams(temperature=0.9, seed=s, max_tokens=16)))
        for s in (5, 5, 6)
    )
    assert first == again != other


@torch.inference_mode()
def test_scores_equal_the_log_softmax_of_a_full_pass(loaded: LoadedModel, engine: Engine) -> None:
    prompt = loaded.tokenizer.render_chat([Message("user", QUESTIONS[0])])
    answers = [loaded.tokenizer.encode(text) for text in ("Paris", "The capital is Lyon.", "No")]
    for ids, score in zip(answers, engine.score(prompt, answers), strict=True):
        tokens = torch.tensor(prompt + ids)
        hidden = loaded.model(tokens, torch.arange(len(tokens)), PackedContext([len(tokens)]))
        rows = loaded.model.logits(hidden).log_softmax(-1)
        expected = sum(float(rows[len(prompt) - 1 + i, token]) for i, token in enumerate(ids))
        assert score == pytest.approx(expected, abs=1e-3)


def test_likelier_answers_score_higher(loaded: LoadedModel, engine: Engine) -> None:
    prompt = loaded.tokenizer.render_chat([Message("user", QUESTIONS[0])])
    texts = ("The capital of France is Paris.", "The capital of France is banana.")
    right, wrong = engine.score(prompt, [loaded.tokenizer.encode(text) for text in texts])
    assert right > wrong


def test_an_answer_streams_as_whole_characters(loaded: LoadedModel, engine: Engine) -> None:
    prompt = loaded.tokenizer.render_chat([Message("user", "Repite: año, niño, corazón, 👋")])
    decoder = loaded.tokenizer.stream_decoder()
    params = SamplingParams(max_tokens=24, stop_ids=loaded.tokenizer.stop_ids)
    output = list(engine.generate(prompt, params))
    text = "".join(map(decoder.push, output)) + decoder.flush()
    assert text == loaded.tokenizer.decode(output)
