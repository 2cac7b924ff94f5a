"""However the work is cut, batched, cached, guessed or undone, the same tokens come out.

In float32 and token for token, beside a reference that has no cache and computes every token alone
from all before it. Each family stands for the switches that it sets.
"""

import random
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from generation.engine.model import Transformer
from generation.engine.pages import PAGE_SIZE
from generation.engine.runner import CausalModel
from generation.engine.sequence import Priority, Request
from tests.unit.generation.engine.fakes import (
    FAMILIES,
    Loop,
    RecallModel,
    ask,
    uncached,
    whole,
)
from tests.unit.generation.engine.tiny import tiny_transformer

PROMPT = [5, 17, 3, 90, 41, 5, 17, 8, 66, 2, 31, 77, 5, 17, 3, 90, 9, 30, 41, 5, 17]


@pytest.fixture(params=FAMILIES)
def model(request: pytest.FixtureRequest) -> Transformer:
    return tiny_transformer(max_positions=160, **FAMILIES[request.param])


def draw_requests(num: int, *, seed: int, longest: int = 60, **options: Any) -> list[Request]:
    """Greedy and drawn, short and long, with every option that bears on the choice."""
    draw = random.Random(seed)  # noqa: S311  # the same requests every time
    requests = []
    for number in range(num):
        stem = PROMPT[: draw.choice([0, 5, 18, 21])]  # so that some begin alike
        prompt = [*stem, *draw.choices(range(97), k=draw.randint(1, longest - len(stem)))]
        own: dict[str, Any] = {"max_tokens": draw.randint(1, 12), "seed": number}
        if number % 3:
            own |= {"temperature": draw.choice([0.7, 1.5]), "top_p": 0.95}
        if number % 4 == 3:
            own |= {"top_k": 20, "repetition_penalty": 1.3, "frequency_penalty": 0.4}
        requests.append(ask(prompt, **own, **options))
    return requests


def alone(model: CausalModel, requests: Sequence[Request]) -> list[list[int]]:
    return [uncached(model, request) for request in requests]


def outputs(loop: Loop, requests: Sequence[Request]) -> list[list[int]]:
    return [ears.output for ears in loop.ask_all(requests)]


# cut and batched


@pytest.mark.parametrize("budget", [3, 16, 512])
def test_a_prompt_in_chunks_is_as_good_as_whole(model: Transformer, budget: int) -> None:
    loop = Loop(model, max_batch_tokens=budget, max_sequences=1)
    request = ask(PROMPT, max_tokens=20)
    assert outputs(loop, [request]) == alone(model, [request])


def test_a_batch_says_what_each_of_its_requests_says_alone(model: Transformer) -> None:
    requests = draw_requests(12, seed=1)
    loop = Loop(model, max_batch_tokens=40, max_sequences=8)
    assert outputs(loop, requests) == alone(model, requests)


def test_requests_that_come_while_others_run_change_nothing(model: Transformer) -> None:
    requests = draw_requests(8, seed=2)
    loop = Loop(model, max_batch_tokens=24, max_sequences=6)
    heard = []
    for number, request in enumerate(requests):
        heard.append(loop.ask(request))
        for _ in range(number % 3):
            loop.core.step()
    loop.run()
    assert [ears.output for ears in heard] == alone(model, requests)


def test_the_place_in_the_batch_changes_nothing(model: Transformer) -> None:
    requests = draw_requests(6, seed=3)
    there, back = (outputs(Loop(model), order) for order in (requests, requests[::-1]))
    assert there == back[::-1]


def test_scattered_pages_are_as_good_as_neighbours(model: Transformer) -> None:
    requests = draw_requests(8, seed=4)
    loop = Loop(model, num_pages=128)
    loop.scatter_pages()
    assert outputs(loop, requests) == alone(model, requests)


# guessed


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_guessing_never_changes_what_is_said(model: Transformer, temperature: float) -> None:
    requests = [
        ask((PROMPT * 2)[:start], max_tokens=24, temperature=temperature, seed=start)
        for start in (21, 37)
    ]
    guessing, plain = (Loop(model, lookup=lookup) for lookup in (True, False))
    assert outputs(guessing, requests) == outputs(plain, requests) == alone(model, requests)
    assert plain.core.counters.num_guessed == 0


@pytest.mark.parametrize("heat", [0.0, 0.6])
def test_penalties_count_the_guesses_before_each_token(heat: float) -> None:
    model = tiny_transformer(max_positions=160, **FAMILIES["gemma"])
    penalties = {"repetition_penalty": 1.1, "presence_penalty": 0.4, "frequency_penalty": 0.3}
    request = ask(PROMPT, max_tokens=60, temperature=heat, **penalties)
    loop = Loop(model)
    assert outputs(loop, [request]) == alone(model, [request])
    assert loop.core.counters.num_accepted > 0


def test_guesses_that_hold_save_steps_and_those_that_do_not_cost_nothing_said() -> None:
    model = tiny_transformer(max_positions=160, **FAMILIES["gemma"])  # it goes in circles
    requests = [ask(PROMPT, max_tokens=60, temperature=heat) for heat in (0.0, 0.6)]
    guessing, plain = (Loop(model, lookup=lookup) for lookup in (True, False))
    assert outputs(guessing, requests) == outputs(plain, requests)
    counters = guessing.core.counters
    assert 0 < counters.num_accepted < counters.num_guessed
    assert counters.num_steps < plain.core.counters.num_steps
    assert counters.num_generated_tokens == plain.core.counters.num_generated_tokens == 120


def test_a_request_may_forgo_guessing() -> None:
    loop = Loop(tiny_transformer(max_positions=160))
    loop.ask_all([ask(PROMPT, max_tokens=60, lookup=False)])
    assert loop.core.counters.num_guessed == 0


@pytest.mark.parametrize("end", [30, 31, 32, 33])
def test_guesses_stop_at_the_end_of_the_context(end: int) -> None:
    model = tiny_transformer(max_positions=160)
    request = ask(PROMPT, max_tokens=100)
    loop = Loop(model, max_context=end)
    assert outputs(loop, [request]) == [uncached(model, request, max_context=end)]


# undone and done again


def test_a_preempted_answer_is_the_undisturbed_one(model: Transformer) -> None:
    requests = [
        ask(PROMPT[:start], max_tokens=24, temperature=start % 2, seed=start)
        for start in range(9, 15)
    ]
    loop = Loop(model, num_pages=8, max_batch_tokens=32)
    assert outputs(loop, requests) == alone(model, requests)
    assert loop.core.counters.num_preemptions > 0


def test_a_chat_takes_the_place_of_a_batch_which_then_goes_on(model: Transformer) -> None:
    batch = ask(PROMPT * 4, max_tokens=30, priority=Priority.BATCH, temperature=1.0, seed=9)
    chat = ask(PROMPT * 2, max_tokens=8)
    loop = Loop(model, num_pages=8)
    slow = loop.ask(batch)
    for _ in range(9):
        loop.core.step()
    quick = loop.ask(chat)
    while not quick.ends:
        loop.core.step()
    assert not slow.ends
    loop.run()
    assert [slow.output, quick.output] == alone(model, [batch, chat])
    assert loop.core.counters.num_preemptions > 0


# found again


def test_a_known_prefix_is_as_good_as_a_fresh_one(model: Transformer) -> None:
    loop = Loop(model)
    loop.ask_all([ask(PROMPT * 3, max_tokens=4)])
    again = ask([*(PROMPT * 3)[:50], 1, 2, 3], max_tokens=16)
    [ears] = loop.ask_all([again])
    assert ears.output == uncached(model, again)
    assert ears.end.num_reused == 48  # whole pages of what both begin with


def test_an_answer_is_found_again_when_it_comes_back_as_a_prompt() -> None:
    model = RecallModel()
    loop = Loop(model)
    [first] = loop.ask_all([ask(PROMPT, max_tokens=40)])
    follow_up = ask([*PROMPT, *first.output, 7, 7], max_tokens=10)
    [second] = loop.ask_all([follow_up])
    assert second.output == uncached(model, follow_up)
    # the last token of an answer is not computed: nothing followed it
    assert second.end.num_reused == (len(PROMPT) + 40 - 1) // PAGE_SIZE * PAGE_SIZE


def test_the_last_token_of_a_prompt_is_computed_even_where_all_of_it_is_known() -> None:
    model = RecallModel()
    loop = Loop(model)
    request = ask(PROMPT[:16] * 2, max_tokens=5)
    loop.ask_all([request])
    [again] = loop.ask_all([request])
    assert again.output == uncached(model, request)
    assert again.end.num_reused == 16


def test_tenants_never_share() -> None:
    model = RecallModel()
    loop = Loop(model)
    mine = ask(PROMPT * 2, max_tokens=5, tenant="mine")
    theirs = ask(PROMPT * 2, max_tokens=5, tenant="theirs")
    reused = [loop.ask_all([each])[0].end.num_reused for each in (mine, theirs, mine, theirs)]
    assert reused == [0, 0, 32, 32]
    both = loop.ask_all([mine, theirs])
    assert both[0].output == both[1].output == uncached(model, mine)


@pytest.mark.parametrize("num_pages", [64, 6])
def test_memory_that_runs_short_forgets_but_never_misremembers(num_pages: int) -> None:
    model = RecallModel()
    loop = Loop(model, num_pages=num_pages)
    requests = draw_requests(30, seed=6)
    for request in requests:
        assert outputs(loop, [request]) == alone(model, [request])


# several samples


def test_each_sample_is_what_it_would_be_alone(model: Transformer) -> None:
    request = ask(PROMPT, max_tokens=10, temperature=1.2, seed=3, num_samples=4)
    [ears] = Loop(model).ask_all([request])
    expected = {number: uncached(model, request, sample=number) for number in range(4)}
    assert ears.outputs == expected
    assert len({tuple(output) for output in expected.values()}) == 4


def test_the_first_sample_is_the_answer_to_the_request_for_one(model: Transformer) -> None:
    options: dict[str, Any] = {"max_tokens": 10, "temperature": 1.2, "seed": 3}
    [one] = Loop(model).ask_all([ask(PROMPT, **options)])
    [many] = Loop(model).ask_all([ask(PROMPT, **options, num_samples=3)])
    assert many.output == one.output


def test_the_same_request_twice_at_once_is_two_requests() -> None:
    model = RecallModel()
    request = ask(PROMPT, max_tokens=10, temperature=1.2, num_samples=3)
    expected = {number: uncached(model, request, sample=number) for number in range(3)}
    first, second = Loop(model, max_batch_tokens=16, num_pages=9).ask_all([request, request])
    assert first.outputs == second.outputs == expected


def test_samples_share_the_pages_of_their_prompt() -> None:
    model = RecallModel()
    loop = Loop(model)
    [ears] = loop.ask_all([ask(PROMPT * 2, max_tokens=4, temperature=1.0, num_samples=5)])
    assert [ears.ends[number].num_reused for number in range(5)] == [0, 32, 32, 32, 32]
    # the prompt of 42 once; for four siblings the 10 that are left of it, both rounded up; the
    # outputs less each last token, of which one was computed beside the siblings' prompts
    assert model.num_tokens == 64 + 64 + 5 * 3 - 1


def test_samples_beside_other_requests_in_little_memory_are_undisturbed() -> None:
    model = RecallModel()
    loop = Loop(model, num_pages=9, max_batch_tokens=24, max_sequences=5)
    requests = [
        ask(PROMPT[:number], max_tokens=25, temperature=1.0, seed=number, num_samples=3)
        for number in (3, 9, 16, 21)
    ]
    heard = loop.ask_all(requests)
    for ears, request in zip(heard, requests, strict=True):
        assert ears.outputs == {n: uncached(model, request, sample=n) for n in range(3)}
    assert loop.core.counters.num_preemptions > 0


# scored


@torch.inference_mode()
def log_likelihood(model: CausalModel, prompt: Sequence[int], continuation: Sequence[int]) -> float:
    rows = whole(model, [*prompt, *continuation]).log_softmax(-1)
    at = len(prompt) - 1
    return sum(float(rows[at + index, token]) for index, token in enumerate(continuation))


CONTINUATIONS = ([4], [9, 9, 12], [77, 1, 3, 5, 2, 8, 8, 8, 8, 41, 7, 12, 9, 9, 9, 9, 9, 3, 4, 5])


def to_score(prompt: Sequence[int], continuation: Sequence[int]) -> Request:
    return ask([*prompt, *continuation], score_from=len(prompt))


@pytest.mark.parametrize("budget", [3, 7, 512])
def test_a_score_is_the_log_softmax_of_a_full_pass(model: Transformer, budget: int) -> None:
    loop = Loop(model, max_batch_tokens=budget, max_sequences=3)
    heard = loop.ask_all([to_score(PROMPT, each) for each in CONTINUATIONS])
    for ears, continuation in zip(heard, CONTINUATIONS, strict=True):
        expected = log_likelihood(model, PROMPT, continuation)
        assert ears.end.score == pytest.approx(expected, abs=1e-3)
        assert not ears.outputs


def test_scores_do_not_depend_on_what_is_known_already(model: Transformer) -> None:
    loop = Loop(model)
    for continuation in CONTINUATIONS * 2:
        [ears] = loop.ask_all([to_score(PROMPT * 2, continuation)])
        expected = log_likelihood(model, PROMPT * 2, continuation)
        assert ears.end.score == pytest.approx(expected, abs=1e-3)
    assert ears.end.num_reused == 32  # from the token before the continuation on all is computed


def test_a_score_that_was_preempted_counts_nothing_twice() -> None:
    model = RecallModel()
    loop = Loop(model, num_pages=6, max_batch_tokens=8)
    long = [number % 97 for number in range(70)]
    scored = loop.ask(
        ask([*PROMPT[:5], *long], score_from=5, priority=Priority.BATCH),
    )
    for _ in range(6):
        loop.core.step()
    chat = loop.ask(ask(PROMPT * 2, max_tokens=5))
    loop.run()
    assert loop.core.counters.num_preemptions == 1
    assert chat.ends
    rows = torch.cat([model.remember([*PROMPT[:5], *long][:end]) for end in range(5, 75)])
    expected = float(rows.log_softmax(-1)[torch.arange(70), torch.tensor(long)].sum())
    assert scored.end.score == pytest.approx(expected, abs=1e-3)


def test_scoring_and_generating_side_by_side_do_not_disturb_each_other(model: Transformer) -> None:
    requests = draw_requests(5, seed=7)
    loop = Loop(model, max_batch_tokens=24, max_sequences=8)
    scored = [loop.ask(to_score(PROMPT, each)) for each in CONTINUATIONS]
    assert outputs(loop, requests) == alone(model, requests)
    for ears, continuation in zip(scored, CONTINUATIONS, strict=True):
        expected = log_likelihood(model, PROMPT, continuation)
        assert ears.end.score == pytest.approx(expected, abs=1e-3)
