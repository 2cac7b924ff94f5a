"""A model that says how good a reply is, and the file that keeps what it learnt."""

from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from generation.engine.adapters import Adapter, load_with_others, serialise_adapter
from generation.engine.model import Transformer
from generation.training.pairs.batches import last_places
from generation.training.reader.branches import BranchedBatch

_FORMAT: Final = "cimiento-reward-1"
_HEAD: Final = "head.weight"


class RewardModel(nn.Module):
    """A causal model, and a direction in its last state along which replies are good.

    Differences alone count, so there is no bias. The direction begins as zeros: before anything is
    learnt all replies are equally good.
    """

    def __init__(self, transformer: Transformer, head: Tensor | None = None) -> None:
        super().__init__()
        self.transformer = transformer
        first = torch.zeros(1, transformer.config.d_model) if head is None else head
        self.head = nn.Parameter(first.float())  # (1, C): a matrix, so that it decays as they do

    def forward(self, batch: BranchedBatch) -> Tensor:
        """The reward of every reply, (S,), float32.

        It is read where the last token is that the reply has before its end.
        """
        hidden: Tensor = self.transformer(
            batch.tokens, batch.positions, batch.build_context()
        )  # (N, C)
        last = hidden[last_places(batch)]  # (S, C)
        # no product, which would be rounded to bfloat16 where products are
        rewards: Tensor = (last.float() * self.head[0]).sum(dim=-1)
        return rewards


def serialise_reward(model: RewardModel, adapter: Adapter) -> bytes:
    """The file of a reward; `adapter` is what the model's low-rank paths learnt."""
    head = model.head.detach().to("cpu", copy=True)
    return serialise_adapter(adapter, kind=_FORMAT, others={_HEAD: head})


def load_reward_file(path: Path) -> tuple[Adapter, Tensor]:
    """The low-rank paths of a reward, and its direction (1, C). Raises WeightsFileError."""
    adapter, others = load_with_others(path, kind=_FORMAT, others=(_HEAD,), maker="train reward")
    return adapter, others[_HEAD]
