"""The generator in this process, over a tiny model: text, choices, scores, ends; and its wiring."""

import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from typer.testing import CliRunner

from app.cli import main
from app.wiring import build_generator, build_local_generator
from core.errors import CimientoError
from core.settings import GenerationSettings, Settings
from core.worker_settings import WorkerSettings
from generation.errors import (
    GeneratorBusyError,
    GeneratorUnavailableError,
    ModelUnusableError,
    QuestionTooLongError,
)
from generation.local import LocalGenerator
from generation.pool import GeneratorPool
from generation.remote import RemoteGenerator
from generation.types import Draft, Message, Sampling
from tests.unit.generation.engine.tiny import tiny_config, tiny_tensors, write_gguf
from tests.unit.generation.worker_house import House, eventually, reason_of

HI = [Message("user", "Hi")]
SAMPLING = Sampling(max_tokens=24)
FOUR = Sampling(temperature=1.5, seed=7, max_tokens=24, n=4)
# float32, so that nothing depends on what else is computed with it
SETTINGS = GenerationSettings(weights="float32", num_threads=1)


def never() -> bool:
    """A caller that stays."""
    return False


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = tiny_config(vocab_size=280, max_positions=256)
    return write_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf", tiny_tensors(config), config)


@pytest.fixture
def generator(path: Path) -> Iterator[LocalGenerator]:
    with closing(LocalGenerator(path, SETTINGS, model="tiny")) as generator:
        yield generator


def text_of(generator: LocalGenerator | RemoteGenerator, sampling: Sampling = SAMPLING) -> str:
    """A whole text."""
    return "".join(generator.stream(HI, sampling, cancelled=never))


def assert_same(drafts: Sequence[Draft], expected: Sequence[Draft]) -> None:
    """Equal, but for the last digits of likelihoods: they hang on the size of the steps."""
    likelihoods = [draft.log_likelihood for draft in drafts]
    assert likelihoods == pytest.approx([draft.log_likelihood for draft in expected])
    assert [replace(draft, log_likelihood=None) for draft in drafts] == [
        replace(draft, log_likelihood=None) for draft in expected
    ]


@pytest.mark.parametrize("weights", ["float32", "bfloat16"])
def test_it_runs_where_its_model_lies_in_the_format_of_its_activations(
    path: Path, weights: Literal["float32", "bfloat16"]
) -> None:
    settings = GenerationSettings(weights=weights, device="cpu", num_threads=1)
    with closing(LocalGenerator(path, settings, model="tiny")) as generator:
        assert generator.runs_on == f"cpu {weights} {weights}"


def test_equal_seeds_give_equal_texts(generator: LocalGenerator) -> None:
    first, again, other = (
        text_of(generator, Sampling(temperature=1.5, seed=seed, max_tokens=24))
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_samples_are_several_texts_and_the_prompt_is_computed_once(
    generator: LocalGenerator,
) -> None:
    long = [Message("user", "Hi " * 40)]
    drafts = generator.sample(long, FOUR, cancelled=never)
    stats = generator.stats()
    assert len({draft.text for draft in drafts}) > 1
    num_computed = stats.num_prompt_tokens - stats.num_reused_tokens
    assert num_computed < 2 * generator.count_tokens(long)
    assert all(draft.num_tokens <= 24 for draft in drafts)
    assert all(draft.log_likelihood is not None and draft.log_likelihood < 0 for draft in drafts)


def test_samples_share_their_prompt_with_one_another_and_nobody_else(
    generator: LocalGenerator,
) -> None:
    long = [Message("user", "Hi " * 40)]
    list(generator.stream(long, SAMPLING, cancelled=never))
    reused = [generator.stats().num_reused_tokens]
    for _ in range(2):
        generator.sample(long, FOUR, cancelled=never)
        reused.append(generator.stats().num_reused_tokens)
    assert reused[2] - reused[1] == reused[1] - reused[0] > 0


def test_the_first_sample_is_what_is_written_alone(generator: LocalGenerator) -> None:
    drafts = generator.sample(HI, FOUR, cancelled=never)
    assert drafts[0].text == text_of(generator, FOUR)


def test_equal_seeds_give_equal_samples_whatever_runs_beside(generator: LocalGenerator) -> None:
    first = generator.sample(HI, FOUR, cancelled=never)
    with ThreadPoolExecutor(4) as threads:
        others = [threads.submit(text_of, generator) for _ in range(3)]
        again = threads.submit(generator.sample, HI, FOUR, cancelled=never).result(60)
        for each in others:
            each.result(60)
    assert_same(again, first)
    other = generator.sample(HI, replace(FOUR, seed=8), cancelled=never)
    assert [draft.text for draft in other] != [draft.text for draft in first]


def test_a_caller_that_leaves_gets_no_samples(generator: LocalGenerator) -> None:
    assert generator.sample(HI, FOUR, cancelled=lambda: True) == []
    assert eventually(lambda: generator.stats().num_running == 0)


def test_greedy_texts_are_the_same_alone_side_by_side_and_with_their_prompt_known(
    path: Path,
) -> None:
    prompts = [[Message("user", f"{word} and what else?")] for word in ("Hi", "Hi there", "No")]

    def write(generator: LocalGenerator, messages: list[Message]) -> str:
        return "".join(generator.stream(messages, SAMPLING, cancelled=never))

    plain = []
    for messages in prompts:
        with closing(LocalGenerator(path, SETTINGS, model="tiny")) as fresh:
            plain.append(write(fresh, messages))
    with closing(LocalGenerator(path, SETTINGS, model="tiny")) as generator:
        with ThreadPoolExecutor(3) as threads:
            together = list(threads.map(lambda messages: write(generator, messages), prompts))
        known = [write(generator, messages) for messages in prompts]
        assert generator.stats().num_reused_tokens > 0
    assert together == known == plain


def test_the_limit_of_tokens_holds(generator: LocalGenerator) -> None:
    reader_usage = generator.stats().num_generated_tokens
    text_of(generator, Sampling(temperature=1.5, seed=1, max_tokens=5))
    assert generator.stats().num_generated_tokens - reader_usage == 5


def test_a_text_says_what_ended_it(generator: LocalGenerator) -> None:
    assert reason_of(generator.stream(HI, Sampling(max_tokens=5), cancelled=never)) == "length"
    choices = ["The pool opens at nine."]
    stream = generator.stream(HI, Sampling(max_tokens=1), cancelled=never, choices=choices)
    assert reason_of(stream) == "stop"


def test_the_text_is_one_of_the_choices(generator: LocalGenerator) -> None:
    choices = ["The pool opens at nine.", "The pool is closed."]
    text = "".join(generator.stream(HI, Sampling(max_tokens=1), cancelled=never, choices=choices))
    assert text in choices


@pytest.mark.parametrize("seed", range(4))
def test_the_text_is_words_of_the_texts(generator: LocalGenerator, seed: int) -> None:
    texts = ["The pool opens at nine.", "El señor García vive aquí."]
    sampling = Sampling(temperature=1.5, seed=seed, max_tokens=40)
    stream = generator.stream(HI, sampling, cancelled=never, spans_of=texts)
    text = "".join(stream)
    assert text
    assert any(f" {text}" in f" {each}" for each in texts)


def test_every_sample_is_words_of_the_texts(generator: LocalGenerator) -> None:
    texts = ["The pool opens at nine.", "El señor García vive aquí."]
    drafts = generator.sample(HI, FOUR, cancelled=never, spans_of=texts)
    assert len(drafts) == FOUR.n
    assert all(draft.text.strip() and any(draft.text in each for each in texts) for draft in drafts)


def test_the_only_choice_is_given_without_computing_anything(generator: LocalGenerator) -> None:
    (choice,) = choices = ["El señor García vive aquí."]
    text = "".join(generator.stream(HI, SAMPLING, cancelled=never, choices=choices))
    assert text == choice
    assert generator.stats().num_steps == 0


def test_a_question_over_the_window_is_refused_with_both_numbers(
    generator: LocalGenerator,
) -> None:
    long = [Message("user", "x" * 300)]
    number = generator.count_tokens(long)
    with pytest.raises(QuestionTooLongError, match=rf"{number} tokens .* at most 255"):
        list(generator.stream(long, SAMPLING, cancelled=never))


def test_more_may_not_wait_than_may_wait(path: Path) -> None:
    settings = SETTINGS.model_copy(update={"max_waiting": 1, "max_sequences": 1})
    with closing(LocalGenerator(path, settings, model="tiny")) as generator:
        generator.load()
        barrier = threading.Barrier(12)
        outcomes: list[str] = []

        def ask() -> None:
            barrier.wait(60)
            try:
                outcomes.append(text_of(generator))
            except GeneratorBusyError as error:
                outcomes.append(error.code)

        threads = [threading.Thread(target=ask) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert "generator_busy" in outcomes
    assert len(set(outcomes)) == 2  # and those that were let in wrote the same


def test_a_caller_that_leaves_ends_the_work(generator: LocalGenerator) -> None:
    assert list(generator.stream(HI, SAMPLING, cancelled=lambda: True)) == []
    stream = generator.stream(HI, SAMPLING, cancelled=never)
    next(stream)
    stream.close()
    text_of(generator)
    assert eventually(lambda: generator.stats().num_running == 0)


def test_a_closed_generator_takes_nothing_new(generator: LocalGenerator) -> None:
    generator.load()
    generator.close()
    with pytest.raises(GeneratorUnavailableError):
        text_of(generator)


def test_a_damaged_model_is_told(tmp_path: Path) -> None:
    path = tmp_path / "damaged.gguf"
    path.write_bytes(b"GGUF, or not")
    with pytest.raises(ModelUnusableError, match=r"damaged\.gguf"):
        LocalGenerator(path, SETTINGS, model="damaged").load()


def test_scores_are_log_likelihoods(generator: LocalGenerator) -> None:
    scores = generator.score(HI, ["a", "ab", ""])
    assert scores[0] < 0
    assert scores[1] < scores[0]
    assert scores[2] == 0


def test_here_and_behind_http_the_same_is_written(generator: LocalGenerator) -> None:
    house = House()
    house.worker._served = generator
    with (
        house.started().running() as url,
        closing(RemoteGenerator(url, "tiny")) as remote,
    ):
        assert text_of(remote) == text_of(generator)
        assert remote.count_tokens(HI) == generator.count_tokens(HI)
        assert remote.score(HI, ["a", "bc"]) == pytest.approx(generator.score(HI, ["a", "bc"]))
        drafts = generator.sample(HI, FOUR, cancelled=never)
        assert_same(remote.sample(HI, FOUR, cancelled=never), drafts)
        assert remote.max_context == generator.max_context
        assert remote.model_sha256 == generator.model_sha256
        choices = ["one", "two"]
        here, there = (
            "".join(each.stream(HI, SAMPLING, cancelled=never, choices=choices))
            for each in (generator, remote)
        )
        assert here == there


def test_urls_in_the_settings_mean_workers(tmp_path: Path, path: Path) -> None:
    urls = "http://a:8421/v1, http://b:8421,http://b:8421/"
    settings = Settings(data_dir=tmp_path, generation=GenerationSettings(url=urls))
    with closing(build_generator(settings)) as generator:
        assert isinstance(generator, GeneratorPool)
        assert generator.model == settings.models.answer
        assert [each.url for each in generator.roster.members] == ["http://a:8421", "http://b:8421"]
    # a worker needs its model beside it, whatever the URL says
    assert build_local_generator(settings, str(path)).model == "tiny"
    with pytest.raises(CimientoError, match="models pull"):
        build_local_generator(settings)


def test_the_shell_can_have_text_written(path: Path) -> None:
    arguments = ["--model", str(path), "--max-tokens", "8"]
    runner = CliRunner()
    shown = runner.invoke(main, ["generate", "Hi", *arguments])
    told = json.loads(runner.invoke(main, ["generate", "Hi", "--json", *arguments]).stdout)
    piped = runner.invoke(main, ["generate", "-", *arguments], input="Hi")
    assert shown.exit_code == 0
    assert shown.stdout == piped.stdout == told["text"] + "\n"
    assert told["finish_reason"] in ("stop", "length")
    raw = json.loads(runner.invoke(main, ["generate", "Hi", "--raw", "--json", *arguments]).stdout)
    assert raw["prompt_tokens"] < told["prompt_tokens"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["generate", " "], 2, "empty"),
        (["generate", "Hi", "--max-tokens", "0"], 2, "max-tokens"),
        (["generate", "Hi", "--model", "no-such-model"], 1, "catalogue"),
        (["generate", "Hi", "--model", __file__], 1, "GGUF"),
        (["generate", "x" * 300], 1, "at most"),
        (["worker", "generate", "--model", "no-such-model"], 1, "catalogue"),
    ],
)
def test_the_shell_is_told_what_is_wrong(
    path: Path, arguments: list[str], code: int, message: str
) -> None:
    given = arguments if "--model" in arguments else [*arguments, "--model", str(path)]
    result = CliRunner().invoke(main, given)
    assert result.exit_code == code
    assert message in result.stderr


def test_the_worker_listens_to_this_machine_only_unless_told() -> None:
    assert WorkerSettings().host == "127.0.0.1"
