"""Context: whole passages, as many of the best as fit, and the others by name."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.types import Passage
from generation.context import Budget, Context, build_context
from generation.prompts import load_prompt
from generation.types import Example
from tests.fakes_generation import FakeGenerator
from tests.unit.generation.passages import make_passage

QUESTION = "When does it open?"
TEMPLATE = load_prompt("direct")
NUM_BARE_TOKENS = FakeGenerator().count_tokens(TEMPLATE.render(QUESTION, [], "en"))


def _passages(sizes: list[int]) -> list[Passage]:
    return [
        make_passage(" ".join([f"word{at}"] * size), start=1000 * at)
        for at, size in enumerate(sizes)
    ]


def _build(
    passages: list[Passage],
    *,
    room: int,
    max_passages: int = 50,
    examples: Sequence[Example] = (),
    question: str = QUESTION,
) -> Context:
    generator = FakeGenerator()
    generator.max_context = NUM_BARE_TOKENS + room + 7
    return build_context(
        question,
        passages,
        generator=generator,
        template=TEMPLATE,
        budget=Budget(max_passages, max_tokens=7),
        examples=examples,
    )


@given(
    st.lists(st.integers(1, 30), max_size=6), st.integers(-NUM_BARE_TOKENS, 120), st.integers(0, 7)
)
def test_passages_fit_or_are_named_and_none_is_cut_or_lost(
    sizes: list[int], room: int, max_passages: int
) -> None:
    passages = _passages(sizes)

    context = _build(passages, room=room, max_passages=max_passages)

    assert context.passages + context.left_out == passages
    assert len(context.passages) <= max_passages
    prompt = context.messages[-1].content
    assert all(passage.text in prompt for passage in context.passages)
    assert not any(passage.text.split()[0] in prompt.split() for passage in context.left_out)
    if context.passages:
        assert FakeGenerator().count_tokens(context.messages) <= NUM_BARE_TOKENS + room


def test_one_more_passage_would_not_have_fitted() -> None:
    # a block is two words of its place, and the passage
    passages = _passages([8, 8, 8])

    assert len(_build(passages, room=20).passages) == 2
    assert len(_build(passages, room=29).passages) == 2
    assert len(_build(passages, room=30).passages) == 3


def test_the_best_passages_stay() -> None:
    passages = _passages([8, 1, 1])

    context = _build(passages, room=13)

    assert context.passages == [passages[0], passages[1]]
    assert context.left_out == [passages[2]]


def test_questions_over_the_same_passages_begin_alike_so_that_what_was_computed_is_used() -> None:
    passages = _passages([8, 3])
    asked = ("When does it open?", "How much is it?")
    first, second = (_build(passages, room=100, question=each) for each in asked)

    assert first.messages[:-1] == second.messages[:-1]
    contents = [context.messages[-1].content for context in (first, second)]
    before = [content.partition(each)[0] for content, each in zip(contents, asked, strict=True)]
    assert before[0] == before[1]
    best, next_best = (before[0].index(passage.text) for passage in passages)
    assert best < next_best


def test_passages_beyond_the_limit_are_named_even_if_they_would_fit() -> None:
    passages = _passages([1, 1, 1])

    context = _build(passages, room=100, max_passages=2)

    assert context.left_out == [passages[2]]


@pytest.mark.parametrize("room", [2, -5, -10_000])
def test_where_nothing_fits_the_question_is_still_asked(room: int) -> None:
    passages = _passages([50])

    context = _build(passages, room=room)

    assert (context.passages, context.left_out) == ([], passages)
    assert context.messages[-1].content.endswith(f"Question: {QUESTION}")


# asked as the question is: a block of three words, "Question:" and one more; then the answer
EXAMPLES = [Example(str(number), "Who?", "He did.", f"he{number}") for number in range(3)]
NUM_EXAMPLE_TOKENS = 6


@pytest.mark.parametrize(
    ("room", "num_examples", "num_passages"),
    [
        (20 + 3 * NUM_EXAMPLE_TOKENS, 3, 2),
        (20 + 3 * NUM_EXAMPLE_TOKENS - 1, 2, 2),
        (20, 0, 2),
        (19, 0, 1),
        (0, 0, 0),
    ],
)
def test_examples_give_way_before_passages_and_the_farthest_first(
    room: int, num_examples: int, num_passages: int
) -> None:
    passages = _passages([8, 8])

    context = _build(passages, room=room, examples=EXAMPLES)

    assert context.examples == EXAMPLES[len(EXAMPLES) - num_examples :]
    assert context.examples_left_out + context.examples == EXAMPLES
    assert len(context.passages) == num_passages
    shown = [message.content for message in context.messages if message.role == "assistant"]
    assert shown == [example.answer for example in context.examples]
