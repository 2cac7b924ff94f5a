"""Train a reward: a model that says of a reply how good it is, to choose among drafts by.

The margin of a pair is the reward of its better reply less that of the other (Bradley and Terry
1952; as Ouyang et al. 2022 train theirs). Run it as `python -m generation.training.pairs.reward
--help`.
"""

import sys
from collections.abc import Sequence
from typing import Final

from torch import Tensor

from generation.training.messages import Report, print_line, run_command
from generation.training.options import build_parser
from generation.training.pairs.batches import PairBatch
from generation.training.pairs.cards import Outcome
from generation.training.pairs.learning import learn_from_pairs
from generation.training.pairs.options import PAIR_HELP, PairOptions
from generation.training.pairs.preparing import Task
from generation.training.pairs.reward_model import RewardModel, serialise_reward
from generation.training.running import Watch, ignore

REWARD: Final = "reward.safetensors"
_PURPOSE: Final = (
    "A reward: of several replies to a question over passages it says which is likely to be called "
    "best. It compares replies to one question; its numbers mean nothing beside those of another."
)


def train_reward(options: PairOptions, *, report: Report, watch: Watch = ignore) -> Outcome:
    """Train, or go on training, and write the reward to `options.out`.

    Raises OptionError, DataError, CheckpointError or DivergedError; what was saved before stays.
    """
    task = Task(
        command="train reward",
        result=REWARD,
        purpose=_PURPOSE,
        build=RewardModel,
        margins=reward_margins,
        serialise=serialise_reward,
    )
    return learn_from_pairs(options, task, report=report, watch=watch)


def reward_margins(model: RewardModel, batch: PairBatch) -> Tensor:
    """The reward of the better reply less that of the other."""
    rewards: Tensor = model(batch.replies)  # (2 P,)
    return rewards[0::2] - rewards[1::2]


def main(arguments: Sequence[str] | None = None, *, program: str | None = None) -> int:
    """Parse, train, and return the exit code: 0 done, 1 failed, 2 wrong option."""
    purpose = "Train a reward that tells the better of two replies."
    parser = build_parser(PairOptions, PAIR_HELP, program, purpose)
    return run_command(
        lambda: train_reward(PairOptions(**vars(parser.parse_args(arguments))), report=print_line)
    )


if __name__ == "__main__":
    sys.exit(main())
