"""The real weights in float32: however they are computed, ten questions get the same answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from generation.engine.engine import Engine, EngineSettings
from generation.engine.generation import Generation
from generation.engine.params import SamplingParams
from generation.local_model import LoadedModel
from generation.types import Message
from tests.integration.generation.prompts import PASSAGE, QUESTIONS

pytestmark = pytest.mark.weights

NUM_TOKENS = 64
FEW = 4  # at once: with more of them nothing is guessed
Outputs = list[list[int]]


@contextmanager
def running(loaded: LoadedModel, **settings: Any) -> Iterator[Engine]:
    settings.setdefault("max_context", 1024)
    engine = Engine(loaded.model, EngineSettings(num_threads=1, **settings))
    yield engine
    engine.close()
    assert engine.stats().kv_usage == 0


def params(number: int, *, lookup: bool = True) -> SamplingParams:
    """Greedy for the first half of the questions, drawn for the others."""
    heat = 0.0 if number < len(QUESTIONS) / 2 else 0.8
    return SamplingParams(max_tokens=NUM_TOKENS, temperature=heat, seed=number, lookup=lookup)


def ask_all(engine: Engine, prompts: Outputs, *, first: int = 0) -> list[Generation]:
    return [engine.generate(ids, params(number)) for number, ids in enumerate(prompts, first)]


@pytest.fixture(scope="module")
def prompts(loaded: LoadedModel) -> Outputs:
    return [loaded.tokenizer.render_chat([Message("user", question)]) for question in QUESTIONS]


@pytest.fixture(scope="module")
def alone(loaded: LoadedModel, prompts: Outputs) -> Outputs:
    """One after the other, whole prompts, nothing guessed, nothing known before."""
    with running(loaded) as engine:
        return [
            list(engine.generate(ids, params(number, lookup=False), tenant=str(number)))
            for number, ids in enumerate(prompts)
        ]


def test_a_batch_says_what_each_says_alone(
    loaded: LoadedModel, prompts: Outputs, alone: Outputs
) -> None:
    with running(loaded) as engine:
        assert [list(each) for each in ask_all(engine, prompts)] == alone
        assert engine.stats().num_steps < 3 * NUM_TOKENS


def test_prompts_in_chunks_are_as_good_as_whole(
    loaded: LoadedModel, prompts: Outputs, alone: Outputs
) -> None:
    with running(loaded, max_batch_tokens=12, max_sequences=10) as engine:
        assert [list(each) for each in ask_all(engine, prompts)] == alone


def test_answers_that_were_preempted_are_the_undisturbed_ones(
    loaded: LoadedModel, prompts: Outputs, alone: Outputs
) -> None:
    with running(loaded, kv_bytes=1, max_context=256) as engine:
        assert [list(each) for each in ask_all(engine, prompts)] == alone
        assert engine.stats().num_preemptions > 0


def test_guessing_never_changes_what_is_said(
    loaded: LoadedModel, prompts: Outputs, alone: Outputs
) -> None:
    outputs: Outputs = []
    with running(loaded) as engine:
        for start in range(0, len(prompts), FEW):
            few = ask_all(engine, prompts[start : start + FEW], first=start)
            outputs += [list(generation) for generation in few]
        assert outputs == alone
        assert engine.stats().num_guessed > 0


def test_an_answer_that_quotes_its_passage_takes_fewer_steps_than_tokens(
    loaded: LoadedModel,
) -> None:
    prompt = loaded.tokenizer.render_chat(
        [Message("user", f"Repeat this text word for word:\n\n{PASSAGE[:400]}")]
    )
    outputs = []
    for lookup in (False, True):
        with running(loaded) as engine:
            options = SamplingParams(max_tokens=NUM_TOKENS, lookup=lookup)
            outputs.append(list(engine.generate(prompt, options)))
            stats = engine.stats()
    assert outputs[0] == outputs[1]
    assert stats.num_accepted > NUM_TOKENS // 4
    assert stats.num_steps < NUM_TOKENS * 3 // 4
