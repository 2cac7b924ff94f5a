"""Answers chosen from several drafts, over HTTP: limits, receipts, streams, replays, weights."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.api.answer_schemas import AnswerOut
from app.cli.ask import _print_end
from app.sampling import BadSamplingError, choose_sampling
from core.settings import GenerationSettings
from generation.reward import BUILT_IN_REWARD
from tests.fakes_generation import FakeGenerator
from tests.unit.app.house import POOL, House
from tests.unit.app.sse import read_events

QUESTION = "When does the swimming pool open in the morning?"
SHORT = "The pool opens at nine in the morning."
NONSENSE = "Zebras sleep under purple umbrellas."


def post(house: House, **body: object) -> Any:
    """Ask, whatever the confidence."""
    asked = {"question": QUESTION, "min_confidence": 0.0, **body}
    return house.client.post("/v1/answer", json=asked)


@pytest.fixture
def sampling(tmp_path: Path, migrated: Path) -> Iterator[House]:
    """A service whose model writes nonsense at first."""
    data_dir = shutil.copytree(migrated, tmp_path / "data")
    house = House(data_dir, generator=FakeGenerator(replies=[NONSENSE, SHORT, SHORT]))
    house.add("pool.txt", POOL)
    yield house
    house.close()


def test_the_receipt_says_how_many_were_sampled_their_rewards_and_which_won(
    sampling: House,
) -> None:
    reply = post(sampling, sampling={"n": 3, "seed": 5}).json()

    assert (reply["status"], reply["answer"]) == ("answered", SHORT)
    samples = reply["receipt"]["samples"]
    assert (samples["winner"], samples["reward"]) == (1, BUILT_IN_REWARD.name)
    assert [draft["stands"] for draft in samples["drafts"]] == [False, True, True]
    assert all(0 <= draft["reward"] <= 1 for draft in samples["drafts"])
    assert {"support", "agreement", "likelihood"} == samples["drafts"][0]["parts"].keys()
    assert samples["quote"]["parts"].keys() == samples["drafts"][0]["parts"].keys()
    assert samples["quote"]["reward"] < samples["drafts"][1]["reward"]
    told = reply["receipt"]["sampling"]
    assert (told["n"], told["seed"], told["temperature"] > 0) == (3, 5, True)
    assert NONSENSE not in str(reply)


def test_one_text_is_the_default_and_has_no_samples(sampling: House) -> None:
    receipt = post(sampling).json()["receipt"]

    assert (receipt["sampling"]["n"], receipt["samples"]) == (1, None)
    assert receipt["sampling"]["temperature"] == 0


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"n": 1_000_000}, "bad_sampling", "sampling.n"),
        ({"n": 9}, "bad_sampling", "sampling.n"),
        ({"n": 0}, "invalid_request", "sampling.n"),
        ({"n": -1}, "invalid_request", "sampling.n"),
        ({"n": 2.5}, "invalid_request", "sampling.n"),
        ({"n": 2, "temperature": 0}, "bad_sampling", "sampling.temperature"),
    ],
)
def test_numbers_that_cannot_be_sampled_are_refused_by_name(
    sampling: House, given: dict[str, float], code: str, field: str
) -> None:
    response = post(sampling, sampling=given)

    assert response.status_code == 422
    assert response.json()["code"] == code
    assert [fault["field"] for fault in response.json()["errors"]] == [field]
    assert not sampling.generator.is_writing.is_set()


def test_a_stream_shows_the_winner_and_ends_once(sampling: House) -> None:
    events = read_events(post(sampling, sampling={"n": 3}, stream=True).text)

    names = [event.name for event in events]
    assert names == ["passages", "delta", "citation", "done"]
    assert events[1].data["text"] == events[-1].data["answer"] == SHORT


def test_a_replay_samples_again_and_is_the_same(sampling: House) -> None:
    asked = post(sampling, sampling={"n": 3, "seed": 5}, likelihood=True).json()

    reply = sampling.client.post(f"/v1/answers/{asked['id']}/replay").json()

    assert (reply["same"], reply["differences"], reply["causes"]) == (True, [], [])
    assert reply["answer"]["receipt"]["samples"] == asked["receipt"]["samples"]
    assert reply["answer"]["receipt"]["likelihood"] is True


def test_likelihoods_are_told_where_they_are_asked_for(sampling: House) -> None:
    told = post(sampling, likelihood=True).json()
    silent = post(sampling).json()

    # the stand-in scores a text by its length, whatever the prompt
    assert [each["likelihood_drop"] for each in told["sentences"]] == [0.0]
    assert [each["likelihood_drop"] for each in silent["sentences"]] == [None]
    assert (told["receipt"]["likelihood"], silent["receipt"]["likelihood"]) == (True, False)


def test_a_collection_says_how_it_is_answered_from_where_nobody_asks(sampling: House) -> None:
    wanted = {"samples": 3, "likelihood": True}
    changed = sampling.client.patch("/v1/collections/default", json={"settings": wanted})
    assert changed.json()["settings"] == wanted | {"first_questions": None}

    told = post(sampling).json()["receipt"]
    asked = post(sampling, sampling={"n": 1}, likelihood=False).json()["receipt"]

    assert (told["sampling"]["n"], told["likelihood"]) == (3, True)
    assert (asked["sampling"]["n"], asked["likelihood"]) == (1, False)

    reset = {"settings": {"samples": None}}
    changed = sampling.client.patch("/v1/collections/default", json=reset)
    assert changed.json()["settings"] == wanted | {"samples": None, "first_questions": None}


def test_only_what_all_collections_in_reach_set_alike_counts(sampling: House) -> None:
    sampling.client.patch("/v1/collections/default", json={"settings": {"samples": 3}})
    new = {"name": "other", "settings": {"samples": 2}}
    assert sampling.client.post("/v1/collections", json=new).status_code == 201

    both = post(sampling).json()["receipt"]["sampling"]["n"]
    one = post(sampling, collections=["default"]).json()["receipt"]["sampling"]["n"]

    assert (both, one) == (1, 3)


@pytest.mark.parametrize(
    "settings", [{"samples": 0}, {"samples": 17}, {"colour": "red"}, {"likelihood": 1}]
)
def test_settings_that_cannot_be_are_refused(sampling: House, settings: dict[str, object]) -> None:
    for response in (
        sampling.client.patch("/v1/collections/default", json={"settings": settings}),
        sampling.client.post("/v1/collections", json={"name": "new", "settings": settings}),
    ):
        assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


def test_a_collection_gets_no_more_than_the_service_allows() -> None:
    assert choose_sampling(GenerationSettings(max_samples=2), {}, samples=9).n == 2


def test_the_settings_say_what_nobody_asks_for() -> None:
    settings = GenerationSettings(samples=4, max_samples=6)

    assert choose_sampling(settings, {}).n == 4
    assert choose_sampling(settings, {}).temperature > 0
    assert choose_sampling(settings, {"temperature": 0.0}).n == 1
    assert choose_sampling(settings, {"n": 1}).temperature == 0
    assert choose_sampling(settings, {"n": 6, "temperature": 1.5}).temperature == 1.5
    with pytest.raises(BadSamplingError, match="between 1 and 6"):
        choose_sampling(settings, {"n": 7})


def test_no_more_are_sampled_than_may_wait() -> None:
    with pytest.raises(BadSamplingError, match="between 1 and 2"):
        choose_sampling(GenerationSettings(max_waiting=2, max_sequences=2), {"n": 3})


def test_a_default_over_the_limit_dies_at_start() -> None:
    with pytest.raises(ValueError, match="max_samples"):
        GenerationSettings(samples=4, max_samples=2)


def test_the_shell_shows_what_a_sentence_loses_and_which_draft_won(
    sampling: House, capsys: pytest.CaptureFixture[str]
) -> None:
    full = AnswerOut.model_validate(post(sampling, sampling={"n": 3}, likelihood=True).json())

    assert full.finish_reason == "stop"
    _print_end(full.model_copy(update={"finish_reason": "length"}), full.answer)
    assert "CIMIENTO_GENERATION__MAX_TOKENS" in capsys.readouterr().err
    _print_end(full, full.answer)

    shown = capsys.readouterr()
    assert "pool.txt, +0.0 nats" in shown.out
    assert shown.err.strip() == "of 3 drafts number 2"
