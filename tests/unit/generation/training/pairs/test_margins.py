"""Margins are what their formulas say, pair by pair, however pairs share a pass."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from generation.engine.adapters import (
    load_adapter,
    merge_adapter,
    serialise_adapter,
    stack_adapters,
)
from generation.engine.attention import PackedContext
from generation.engine.errors import WeightsFileError
from generation.engine.model import Transformer
from generation.training.lora import LoraLinear, add_lora, as_it_was, build_adapter
from generation.training.pairs.batches import PairBatch
from generation.training.pairs.judging import judge_pairs, pair_loss
from generation.training.pairs.preference import preference_margins
from generation.training.pairs.reward import reward_margins
from generation.training.pairs.reward_model import RewardModel, load_reward_file, serialise_reward
from generation.training.reader.branches import pack_groups
from generation.training.reader.groups import Group
from generation.training.trainer import OptimizerSettings, Trainer
from tests.unit.generation.training.reader.making import make_group
from tests.unit.generation.training.texts import tiny_options

GROUPS = [
    make_group([1, 2, 3], ([4, 5, 6], 2), ([4, 7], 1)),
    make_group([8, 9], ([1, 2], 1), ([1, 3, 4, 5], 3)),
]


@pytest.fixture
def model(tmp_path: Path) -> Transformer:
    built = Transformer(tiny_options(tmp_path).build_config(32))
    built.init_weights(seed=0, std=0.3)
    return built


def learnt(model: Transformer, *, seed: int = 1) -> Transformer:
    """The model with low-rank paths that do something."""
    add_lora(model, rank=2, alpha=4.0, seed=seed, dtype=torch.float32)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, LoraLinear):
                module.b.normal_(0.0, 0.1, generator=generator)
    return model


def states(model: Transformer, ids: list[int]) -> Tensor:
    """The last states of one sequence alone, (N, C)."""
    tokens = torch.tensor(ids)
    hidden: Tensor = model(tokens, torch.arange(len(ids)), PackedContext((len(ids),)))
    return hidden


def whole(group: Group, branch: int) -> list[int]:
    ids: list[int] = np.concatenate([group.shared, group.branches[branch].ids]).tolist()
    return ids


def log_likelihood(model: Transformer, group: Group, branch: int) -> Tensor:
    ids, num_reply = whole(group, branch), group.branches[branch].num_reply
    logits = model.logits(states(model, ids[:-1]))[-num_reply:]
    return -F.cross_entropy(logits, torch.tensor(ids[-num_reply:]), reduction="sum")


def test_a_preferences_margin_is_the_gain_over_what_the_model_was(model: Transformer) -> None:
    batch = PairBatch(pack_groups(GROUPS))
    learnt(model)
    margins = preference_margins(0.5)(model, batch)
    for place, group in enumerate(GROUPS):
        gains = []
        for branch in (0, 1):
            after = log_likelihood(model, group, branch)
            with as_it_was(model):
                gains.append(after - log_likelihood(model, group, branch))
        torch.testing.assert_close(margins[place], 0.5 * (gains[0] - gains[1]))
        assert abs(gains[0] - gains[1]) > 1e-3


def test_before_anything_is_learnt_no_reply_is_better(model: Transformer) -> None:
    add_lora(model, rank=2, alpha=4.0, seed=0, dtype=torch.float32)
    settings = OptimizerSettings()
    margins = preference_margins(0.1)
    trainer = Trainer(model, pair_loss(margins), settings=settings)
    judged = judge_pairs(trainer, margins, [PairBatch(pack_groups(GROUPS))])
    assert (judged.accuracy.value, judged.margin, judged.num_pairs) == (0.5, 0.0, 2)
    assert judged.loss == pytest.approx(np.log(2))


def test_only_the_paths_learn_of_what_a_preference_is_learnt_from(model: Transformer) -> None:
    learnt(model)
    loss = pair_loss(preference_margins(0.1))(model, PairBatch(pack_groups(GROUPS)))
    loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
    with_gradient = {n for n, p in model.named_parameters() if p.grad is not None}
    assert with_gradient
    assert all(name.endswith((".a", ".b")) for name in with_gradient)


def test_a_reward_is_read_at_the_end_of_each_reply_alone(model: Transformer) -> None:
    reward = RewardModel(model, head=torch.randn(1, model.config.d_model))
    rewards = reward(pack_groups(GROUPS))
    alone = [
        states(model, whole(group, branch)[:-1])[-1] @ reward.head[0]
        for group in GROUPS
        for branch in (0, 1)
    ]
    torch.testing.assert_close(rewards, torch.stack(alone))
    margins = reward_margins(reward, PairBatch(pack_groups(GROUPS)))
    torch.testing.assert_close(margins, torch.stack(alone)[0::2] - torch.stack(alone)[1::2])


def test_a_rewards_file_gives_back_what_was_learnt_and_is_no_adapter(
    model: Transformer, tmp_path: Path
) -> None:
    reward = RewardModel(learnt(model), head=torch.randn(1, model.config.d_model))
    build = partial(build_adapter, base_sha256="ab", prompt="direct@1", dtype=torch.float32)
    path = tmp_path / "reward.safetensors"
    path.write_bytes(serialise_reward(reward, build(model)))

    adapter, head = load_reward_file(path)
    torch.testing.assert_close(head, reward.head.detach())
    assert (adapter.base_sha256, adapter.prompt, adapter.scale) == ("ab", "direct@1", 2.0)
    with pytest.raises(WeightsFileError, match="'cimiento train reader' makes one"):
        load_adapter(path)
    path.write_bytes(serialise_adapter(build(model)))
    with pytest.raises(WeightsFileError, match="'cimiento train reward' makes one"):
        load_reward_file(path)
    path.write_bytes(serialise_reward(reward, build(model))[:200])
    with pytest.raises(WeightsFileError, match="is damaged"):
        load_reward_file(path)


def test_a_reward_that_is_no_number_is_refused(model: Transformer, tmp_path: Path) -> None:
    head = torch.full((1, model.config.d_model), torch.nan)
    reward = RewardModel(learnt(model), head=head)
    adapter = build_adapter(model, base_sha256="ab", prompt="direct@1", dtype=torch.float32)
    path = tmp_path / "reward.safetensors"
    path.write_bytes(serialise_reward(reward, adapter))
    with pytest.raises(WeightsFileError, match=r"head\.weight holds what is not a number"):
        load_reward_file(path)


def test_adapters_side_by_side_change_as_much_as_one_after_the_other(model: Transformer) -> None:
    plain = {name: p.detach().clone() for name, p in model.named_parameters()}
    learnt(model, seed=1)
    first = build_adapter(model, base_sha256="ab", prompt="direct@1", dtype=torch.float32)
    other = Transformer(model.config)
    other.init_weights(seed=0)
    learnt(other, seed=2)
    second = build_adapter(other, base_sha256="cd", prompt="direct@1", dtype=torch.float32)

    both = stack_adapters(first, second)
    assert (both.base_sha256, both.scale) == ("ab", 1.0)
    one_after_other = merge_adapter(second, merge_adapter(first, plain))
    for name, weight in merge_adapter(both, plain).items():
        torch.testing.assert_close(weight, one_after_other[name])
