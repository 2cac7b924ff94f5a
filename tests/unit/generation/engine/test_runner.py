"""The runner: one ragged batch in, the hidden states that were asked for out."""

import pytest
import torch

from generation.engine.runner import Chunk, Runner
from tests.unit.generation.engine.fakes import FAMILIES, RecallModel, whole
from tests.unit.generation.engine.tiny import tiny_transformer

TOKENS = [5, 17, 3, 90, 41, 5, 17, 8, 66, 2, 31, 77]


def new_runner(model: RecallModel) -> Runner:
    return Runner(model, num_pages=8, page_size=4)


@torch.inference_mode()
def test_only_the_rows_that_are_wanted_come_back_in_order() -> None:
    model = RecallModel()
    hidden = new_runner(model).run(
        [
            Chunk(TOKENS[:5], 0, [0, 1], first_row=4),
            Chunk(TOKENS[:3], 0, [2], first_row=3),
            Chunk(TOKENS[:6], 0, [3, 4], first_row=2),
        ]
    )
    expected = [model.remember(TOKENS[:end]) for end in (5, 3, 4, 5, 6)]
    assert torch.equal(model.logits(hidden), torch.cat([expected[0], *expected[1:]]))


@torch.inference_mode()
def test_a_batch_mixes_prompts_and_single_tokens() -> None:
    model = RecallModel()
    runner = new_runner(model)
    runner.run([Chunk(TOKENS[:7], 0, [6, 1], first_row=7)])
    hidden = runner.run(
        [
            Chunk(TOKENS[7:8], 7, [6, 1], first_row=0),
            Chunk(TOKENS[:6], 0, [3, 4], first_row=5),
        ]
    )
    expected = torch.cat([model.remember(TOKENS[:8]), model.remember(TOKENS[:6])])
    assert torch.equal(model.logits(hidden), expected)


def test_no_rows_are_wanted_of_a_prompt_that_is_only_begun() -> None:
    hidden = new_runner(RecallModel()).run([Chunk(TOKENS[:5], 0, [0, 1], first_row=5)])
    assert len(hidden) == 0


@pytest.mark.parametrize("family", FAMILIES)
@torch.inference_mode()
def test_padding_is_neither_seen_nor_given_back(family: str) -> None:
    model = tiny_transformer(**FAMILIES[family])
    runner = Runner(model, num_pages=16, page_size=4)
    long, short = (TOKENS * 4)[:37], TOKENS[:5]  # 42 rows, not a round number of them
    pages = list(range(10))
    hidden = runner.run([Chunk(long, 0, pages, first_row=0), Chunk(short, 0, [12, 13], 0)])
    then = runner.run([Chunk([9], 37, pages, first_row=0)])
    expected = torch.cat([whole(model, long), whole(model, short), whole(model, [*long, 9])[-1:]])
    assert (runner.logits(torch.cat([hidden, then])) - expected).abs().max() < 1e-4


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", [1, 2, 5, 12])
@torch.inference_mode()
def test_chunks_say_what_the_whole_does(family: str, size: int) -> None:
    model = tiny_transformer(**FAMILIES[family])
    runner = Runner(model, num_pages=8, page_size=4)
    hidden = [
        runner.run([Chunk(TOKENS[start : start + size], start, [5, 0, 3], first_row=0)])
        for start in range(0, 12, size)
    ]
    assert (runner.logits(torch.cat(hidden)) - whole(model, TOKENS)).abs().max() < 1e-4


@torch.inference_mode()
def test_likelihoods_of_a_long_text_are_those_of_its_parts() -> None:
    model = RecallModel()
    tokens = [(number * number + 3) % 97 for number in range(151)]
    hidden = Runner(model, num_pages=10, page_size=16).run(
        [Chunk(tokens[:150], 0, list(range(10)), first_row=0)]
    )
    ours = Runner(model, num_pages=1, page_size=16).log_likelihoods(hidden, tokens[1:])
    rows = torch.cat([model.remember(tokens[:end]) for end in range(1, 151)]).log_softmax(-1)
    expected = rows[torch.arange(150), torch.tensor(tokens[1:])]
    assert (ours - expected).abs().max() < 1e-5
