"""A branch in a batch computes what its example does alone, and its gradient too."""

from pathlib import Path

import numpy as np
import pytest
import torch

from generation.engine.attention import LayerAttention, PackedContext
from generation.engine.model import Transformer
from generation.training.packing import IGNORED
from generation.training.reader.branches import GroupStream, pack_groups, pack_in_passes
from generation.training.reader.groups import Group
from generation.training.trainer import init_weights, next_token_loss
from tests.unit.generation.training.reader.making import make_group
from tests.unit.generation.training.texts import tiny_options


def build_model() -> Transformer:
    model = Transformer(tiny_options(Path()).build_config(vocab_size=50))
    model.init_weights(seed=0, std=0.3)
    return model


def draw_groups() -> list[Group]:
    generator = np.random.default_rng(0)

    def draw(size: int) -> list[int]:
        return list(map(int, generator.integers(0, 50, size)))

    return [
        make_group(draw(7), (draw(6), 3), (draw(4), 1), (draw(9), 8)),
        make_group(draw(2), (draw(5), 2)),
        make_group([], (draw(6), 2), (draw(3), 1)),
    ]


def loss_alone(model: Transformer, group: Group, branch: int) -> torch.Tensor:
    """The loss of one example, whole and by itself."""
    own = group.branches[branch]
    ids = torch.from_numpy(np.concatenate([group.shared, own.ids]).astype(np.int64))
    hidden = model(ids[:-1], torch.arange(len(ids) - 1), PackedContext([len(ids) - 1]))
    logits, targets = model.logits(hidden)[-own.num_reply :], ids[-own.num_reply :]
    return torch.nn.functional.cross_entropy(logits, targets, reduction="sum")


def test_sharing_changes_neither_loss_nor_gradient() -> None:
    model, groups = build_model(), draw_groups()
    parameters = list(model.parameters())
    alone = sum(
        (loss_alone(model, g, b) for g in groups for b in range(len(g.branches))), torch.zeros(())
    )
    expected = torch.autograd.grad(alone, parameters)

    batch = pack_groups(groups)
    assert batch.num_tokens == sum(group.num_tokens for group in groups)
    assert batch.num_targets == 17 == int((batch.targets != IGNORED).sum())
    together = next_token_loss(model, batch)
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-4)
    for ours, theirs in zip(torch.autograd.grad(together, parameters), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_a_window_counts_from_where_a_branch_stands() -> None:
    """Siblings that lie between a branch and what it shares are no distance."""
    group = draw_groups()[0]
    batch = pack_groups([group])
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(batch.num_tokens, h, 8, generator=generator) for h in (4, 2, 2))
    layer = LayerAttention(0, 8**-0.5, window=5)
    together = batch.build_context().attend(layer, q, k, v)
    num_shared, start = len(group.shared), len(group.shared)
    for branch in group.branches:
        size = len(branch.ids) - 1
        rows = torch.cat([torch.arange(num_shared), torch.arange(start, start + size)])
        alone = PackedContext([len(rows)]).attend(layer, q[rows], k[rows], v[rows])
        torch.testing.assert_close(together[rows[num_shared:]], alone[num_shared:])
        start += size


def test_passes_hold_like_lengths_and_every_group_once() -> None:
    groups = draw_groups() * 5
    batches = list(pack_in_passes(groups, pass_tokens=40))
    assert sum(batch.num_targets for batch in batches) == sum(g.num_targets for g in groups)
    assert len(batches) > 3
    for batch in batches:
        rows, length = batch.segments.shape
        assert rows == 1 or rows * (length - 7) <= 40


def test_a_stream_goes_on_from_its_position() -> None:
    def stream() -> GroupStream:
        return GroupStream(draw_groups() * 3, batch_tokens=30, pass_tokens=30, seed=1)

    whole, again = stream(), stream()
    steps = [whole.take_step() for _ in range(6)]
    again.take_step()
    again.position = 0
    second = stream()
    second.take_step()
    resumed = stream()
    resumed.position = second.position
    for later in steps[1:]:
        for ours, theirs in zip(resumed.take_step(), later, strict=True):
            assert torch.equal(ours.tokens, theirs.tokens)
    assert sum(batch.num_tokens for batch in steps[0]) >= 30


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_padding_never_makes_what_is_not_a_number(dtype: torch.dtype) -> None:
    model = build_model().to(dtype)
    init_weights(model, seed=0)
    loss = next_token_loss(model, pack_groups(draw_groups()))
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
