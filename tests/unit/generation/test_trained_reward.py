"""A trained reward picks among drafts as it was taught, and is refused beside another base."""

import shutil
from pathlib import Path

import pytest

from generation.best_of import choose_draft
from generation.errors import ModelUnusableError
from generation.evidence import Evidence, find_sentences
from generation.reward import Candidate
from generation.trained_reward import TrainedReward
from generation.training.pairs.encoding import as_passages
from generation.training.pairs.reward import train_reward
from generation.training.reader.examples import Source
from generation.types import Draft
from tests.unit.generation.training.pairs.making import make_pair_rows, reward_options
from tests.unit.generation.training.reader.making import write_base, write_rows
from tests.unit.generation.training.texts import silent

QUESTION = "What colour is it?"
SOURCE = Source("yard 3", "Yard 3: red roses, blue doors.")
RED, BLUE = "It is red roses.", "It is blue doors."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, and a reward that likes replies that say red."""
    folder = tmp_path_factory.mktemp("reward")
    write_base(folder)
    write_rows(folder / "examples.jsonl", make_pair_rows(8))
    train_reward(reward_options(folder, steps=24), report=silent)
    return folder


@pytest.fixture
def reward(folder: Path) -> TrainedReward:
    return TrainedReward(folder / "learnt" / "reward.safetensors", folder / "base", num_threads=1)


def candidate(text: str) -> Candidate:
    return Candidate(Draft(text, 4, None), text, (text,), support=1.0)


def spans(*sources: Source) -> list[Evidence]:
    return find_sentences(as_passages(sources))


def test_the_reply_that_was_taught_to_be_better_has_the_larger_reward(
    reward: TrainedReward,
) -> None:
    better, worse = reward.judge(QUESTION, [candidate("red"), candidate("blue")], spans(SOURCE))
    assert 0 <= worse.reward < better.reward <= 1
    assert better.parts == {"trained": better.reward}


def test_it_chooses_among_drafts_and_gives_the_same_again(reward: TrainedReward) -> None:
    drafts = [Draft(text, 4, None) for text in (BLUE, RED)]
    again = [
        choose_draft(
            QUESTION, drafts, spans(SOURCE), quote="blue", reward=reward, unsupported="end"
        ).samples
        for _ in range(2)
    ]
    assert again[0] == again[1]
    assert again[0].reward == reward.name
    assert again[0].reward.startswith("reward@")


def test_replies_are_judged_together_as_they_are_alone(reward: TrainedReward) -> None:
    texts = ["red", "it is blue", "", "red roses and blue doors"]
    together = reward.judge(QUESTION, [candidate(text) for text in texts], spans(SOURCE))
    for text, judged in zip(texts, together, strict=True):
        (alone,) = reward.judge(QUESTION, [candidate(text)], spans(SOURCE))
        assert alone.reward == pytest.approx(judged.reward, rel=1e-4)


def test_passages_that_do_not_fit_are_left_out_from_the_end(reward: TrainedReward) -> None:
    long = [
        Source(f"yard {n}", f"Yard {n}: " + "red roses and blue doors, " * 30) for n in range(9)
    ]
    candidates = [candidate("red"), candidate("blue")]
    better, worse = reward.judge(QUESTION, candidates, spans(SOURCE, *long))
    assert better.reward != worse.reward


def test_a_reward_of_another_base_or_none_at_all_is_refused(folder: Path, tmp_path: Path) -> None:
    other = write_base(tmp_path, width=64)
    path = folder / "learnt" / "reward.safetensors"
    with pytest.raises(ModelUnusableError, match="was trained on other weights than base"):
        TrainedReward(path, other, num_threads=1).load()
    with pytest.raises(ModelUnusableError, match="there is no adapter"):
        TrainedReward(tmp_path / "none.safetensors", other, num_threads=1)
    broken = tmp_path / "broken.safetensors"
    shutil.copy(path, broken)
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.raises(ModelUnusableError, match="is damaged"):
        TrainedReward(broken, other, num_threads=1)
