"""The engine: stops, limits, cancellation, shared prefixes, turns."""

import threading
import time

import pytest
import torch

from generation.engine import (
    Engine,
    FinishReason,
    InvalidPromptError,
    PromptTooLongError,
    SamplingParams,
)
from tests.unit.generation.engine.tiny import ScriptedModel, tiny_transformer

PROMPT = [5, 17, 3, 90, 41, 5, 17, 8, 66, 2, 31, 77]


def test_tokens_follow_until_max_tokens() -> None:
    generation = Engine(ScriptedModel()).generate([1, 2, 3], SamplingParams(max_tokens=4))
    assert list(generation) == [4, 5, 6, 7]
    assert generation.finish_reason is FinishReason.LENGTH


def test_a_stop_id_ends_the_output_and_is_not_part_of_it() -> None:
    params = SamplingParams(stop_ids=frozenset({6}))
    generation = Engine(ScriptedModel()).generate([1, 2, 3], params)
    assert list(generation) == [4, 5]
    assert generation.finish_reason is FinishReason.STOP


def test_a_full_context_ends_the_output() -> None:
    generation = Engine(ScriptedModel(), max_context=6).generate([1, 2, 3], SamplingParams())
    assert list(generation) == [4, 5, 6]
    assert generation.finish_reason is FinishReason.LENGTH


def test_a_prompt_that_does_not_fit_is_refused_with_both_numbers() -> None:
    with pytest.raises(PromptTooLongError, match="8 tokens and the engine accepts at most 7") as it:
        Engine(ScriptedModel(), max_context=8).generate([1] * 8, SamplingParams())
    assert (it.value.num_tokens, it.value.max_tokens) == (8, 7)


@pytest.mark.parametrize("prompt", [[], [97], [-1]])
def test_a_prompt_outside_the_vocabulary_is_refused(prompt: list[int]) -> None:
    with pytest.raises(InvalidPromptError):
        Engine(ScriptedModel()).generate(prompt, SamplingParams())


def test_cancellation_stops_between_tokens() -> None:
    tokens: list[int] = []
    generation = Engine(ScriptedModel()).generate(
        [1], SamplingParams(), cancelled=lambda: len(tokens) == 2
    )
    for token in generation:
        tokens.append(token)  # noqa: PERF402  the callback watches the list grow
    assert tokens == [2, 3]
    assert generation.finish_reason is FinishReason.CANCELLED


def test_cancellation_stops_between_prompt_chunks() -> None:
    model = ScriptedModel()
    generation = Engine(model, prefill_chunk=4).generate(
        PROMPT, SamplingParams(), cancelled=lambda: len(model.calls) == 2
    )
    assert list(generation) == []
    assert generation.finish_reason is FinishReason.CANCELLED
    assert model.calls == [PROMPT[:4], PROMPT[4:8]]


def test_only_what_differs_from_the_last_request_is_computed() -> None:
    model = ScriptedModel()
    engine = Engine(model)
    list(engine.generate([1, 2, 3], SamplingParams(max_tokens=2)))
    model.calls.clear()
    generation = engine.generate([1, 2, 3, 4, 50, 51], SamplingParams(max_tokens=1))
    list(generation)
    assert model.calls == [[50, 51]]
    assert generation.num_reused_tokens == 4


def test_the_same_prompt_again_computes_only_its_last_token() -> None:
    model = ScriptedModel()
    engine = Engine(model)
    outputs = [list(engine.generate([1, 2, 3], SamplingParams(max_tokens=2))) for _ in range(2)]
    assert outputs == [[4, 5], [4, 5]]
    assert model.calls == [[1, 2, 3], [4], [3], [4]]


def test_a_reused_prefix_gives_what_a_fresh_engine_gives() -> None:
    model = tiny_transformer()
    params = SamplingParams(max_tokens=12)
    warm = Engine(model)
    list(warm.generate([*PROMPT[:7], 9, 9, 9], params))
    reused = warm.generate(PROMPT, params)
    assert list(reused) == list(Engine(model).generate(PROMPT, params))
    assert reused.num_reused_tokens == 7


def test_chunked_prefill_gives_the_same_tokens_as_whole() -> None:
    model = tiny_transformer()
    params = SamplingParams(max_tokens=12)
    whole = list(Engine(model).generate(PROMPT, params))
    assert list(Engine(model, prefill_chunk=5).generate(PROMPT, params)) == whole


def test_the_same_seed_gives_the_same_tokens_and_another_seed_others() -> None:
    engine = Engine(tiny_transformer())
    first, again, other = (
        list(engine.generate(PROMPT, SamplingParams(temperature=2.0, seed=s, max_tokens=20)))
        for s in (1, 1, 2)
    )
    assert first == again != other


def test_a_resumed_answer_equals_an_uninterrupted_one() -> None:
    engine = Engine(tiny_transformer())
    whole = list(engine.generate(PROMPT, SamplingParams(temperature=2.0, max_tokens=20)))
    rest = SamplingParams(temperature=2.0, max_tokens=12)
    assert list(engine.generate(PROMPT + whole[:8], rest)) == whole[8:]


def test_only_allowed_tokens_follow() -> None:
    seen: list[list[int]] = []

    def allowed_next(generated: list[int]) -> list[int] | None:
        seen.append(list(generated))
        return [[40, 30], None, [60], []][len(generated)]

    generation = Engine(ScriptedModel()).generate(
        [29],
        SamplingParams(),
        allowed_next=allowed_next,  # type: ignore[arg-type]
    )
    assert list(generation) == [30, 31, 60]
    assert generation.finish_reason is FinishReason.STOP
    assert seen == [[], [30], [30, 31], [30, 31, 60]]


@torch.inference_mode()
def test_score_equals_the_log_softmax_of_a_full_pass() -> None:
    model = tiny_transformer()
    continuations = [[4], [9, 9, 12], [], [77, 1]]
    scores = Engine(model, prefill_chunk=5).score(PROMPT, continuations)
    for ids, score in zip(continuations, scores, strict=True):
        rows = model(torch.tensor([PROMPT + ids]))[0].log_softmax(-1)
        expected = sum(float(rows[len(PROMPT) - 1 + i, token]) for i, token in enumerate(ids))
        assert score == pytest.approx(expected, abs=1e-4)


def test_score_computes_the_prompt_once() -> None:
    model = ScriptedModel()
    Engine(model).score([1, 2, 3], [[4], [5], [6, 7, 8]])
    assert model.calls == [[1, 2, 3], [6, 7]]


def test_score_refuses_what_does_not_fit_together() -> None:
    with pytest.raises(PromptTooLongError):
        Engine(ScriptedModel(), max_context=6).score([1, 2, 3], [[4], [5, 6, 7, 8]])


def test_generation_after_scoring_is_unharmed() -> None:
    model = tiny_transformer()
    engine = Engine(model)
    engine.score(PROMPT, [[1, 2, 3], [4]])
    params = SamplingParams(max_tokens=8)
    assert list(engine.generate(PROMPT, params)) == list(Engine(model).generate(PROMPT, params))


def test_a_model_that_fails_does_not_block_the_next_request() -> None:
    engine = Engine(ScriptedModel(fail_on_call=2))
    with pytest.raises(RuntimeError, match="went away"):
        list(engine.generate([1, 2, 3], SamplingParams(max_tokens=5)))
    assert list(engine.generate([1, 2, 3], SamplingParams(max_tokens=2))) == [4, 5]
    assert engine.num_requests == 0


def test_an_abandoned_generation_frees_its_turn() -> None:
    engine = Engine(ScriptedModel())
    abandoned = engine.generate([1], SamplingParams())
    next(abandoned)
    assert engine.num_requests == 1
    abandoned.close()
    assert engine.num_requests == 0
    unread = engine.generate([1], SamplingParams())
    assert list(engine.generate([1], SamplingParams(max_tokens=1))) == [2]
    unread.close()


def test_a_request_cancelled_while_it_waits_leaves_the_queue() -> None:
    engine = Engine(ScriptedModel())
    running = engine.generate([1], SamplingParams())
    next(running)
    waiting = engine.generate([1], SamplingParams(), cancelled=lambda: True)
    assert list(waiting) == []
    assert waiting.finish_reason is FinishReason.CANCELLED
    running.close()


def test_requests_are_served_in_the_order_they_came() -> None:
    engine = Engine(ScriptedModel())
    running = engine.generate([1], SamplingParams())
    next(running)
    served: list[int] = []

    def ask(number: int) -> None:
        assert list(engine.generate([number], SamplingParams(max_tokens=1))) == [number + 1]
        served.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(5)]
    for count, thread in enumerate(threads, start=2):
        thread.start()
        while engine.num_requests < count:
            time.sleep(0.001)
    running.close()
    for thread in threads:
        thread.join()
    assert served == [0, 1, 2, 3, 4]
