"""One model over several devices: each holds a share of every matrix. Cuts weights; runs nothing.

Query heads go to devices in equal shares with the key heads that they need, the feed-forward by
its inner width. The products that lead back to the model's width give partial sums, which are added
over all devices (Shoeybi et al., Megatron-LM, 2019): twice a layer. Embedding and head are held
whole by each, so that logits need no words between devices.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from generation.engine.config import ModelConfig
from generation.engine.errors import UnsupportedModelError
from generation.engine.model import Block, Transformer
from generation.engine.weights import assemble

# adds a tensor up over all devices, in place
AddUp = Callable[[Tensor], None]


@dataclass(frozen=True, slots=True)
class Share:
    """Which of how many equal shares."""

    rank: int
    size: int

    def of(self, tensor: Tensor, dim: int) -> Tensor:
        return tensor.chunk(self.size, dim)[self.rank]


class SummedLinear(nn.Module):
    """A product whose inputs are shared out: every device has a part of each sum."""

    def __init__(self, part: nn.Module, add_up: AddUp) -> None:
        super().__init__()
        self.part = part
        self._add_up = add_up

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.part(x)
        self._add_up(out)
        return out


def share_config(config: ModelConfig, share: Share) -> ModelConfig:
    """What one device's share looks like. Raises UnsupportedModelError where it cannot be cut.

    Where there are fewer key heads than devices, several devices keep the same one.
    """
    size, num_kv_heads = share.size, config.num_kv_heads
    if config.num_heads % size or config.d_ff % size:
        raise UnsupportedModelError(
            f"{config.num_heads} heads and a feed-forward of {config.d_ff} cannot be shared "
            f"equally by {size} devices; use a number that divides both"
        )
    if num_kv_heads % size and size % num_kv_heads:
        raise UnsupportedModelError(
            f"{num_kv_heads} key heads can neither be shared equally by {size} devices nor held by "
            f"equally many each; use a divisor or a multiple of {num_kv_heads} devices"
        )
    return replace(
        config,
        num_heads=config.num_heads // size,
        num_kv_heads=max(1, num_kv_heads // size),
        d_ff=config.d_ff // size,
    )


def take_share(model: Transformer, share: Share, add_up: AddUp) -> Transformer:
    """A device's share of a whole model, over new memory where it is a part."""
    config = share_config(model.config, share)
    state = model.state_dict()
    weights = {name: _cut(name, tensor, model.config, share) for name, tensor in state.items()}
    cut = assemble(config, weights)
    for block in cut.blocks:
        assert isinstance(block, Block)  # noqa: S101  # for the type checker
        block.attention.register_module("out", SummedLinear(block.attention.out, add_up))
        down = SummedLinear(block.feed_forward.down, add_up)
        block.feed_forward.register_module("down", down)
    return cut


def _cut(name: str, tensor: Tensor, config: ModelConfig, share: Share) -> Tensor:
    *_, module, kind = ["", *name.split(".")]
    if module == "qkv":
        return _cut_heads(tensor, config, share)
    if module == "gate_up":
        gate, up = tensor.chunk(2)
        return torch.cat((share.of(gate, 0), share.of(up, 0)))
    if module == "up":
        return share.of(tensor, 0).clone()
    if module in ("out", "down"):
        if kind == "weight":
            return share.of(tensor, 1).contiguous()
        # the sum over all devices has it once
        return tensor if share.rank == 0 else torch.zeros_like(tensor)
    return tensor


def _cut_heads(tensor: Tensor, config: ModelConfig, share: Share) -> Tensor:
    """Rows of queries, keys and values, each shared out by whole heads."""
    q, k, v = torch.split(tensor, [config.q_size, config.kv_size, config.kv_size])
    # with fewer key heads than devices, neighbours share one
    of_keys = Share(share.rank * config.num_kv_heads // share.size, config.num_kv_heads)
    if config.num_kv_heads >= share.size:
        of_keys = share
    return torch.cat((share.of(q, 0), of_keys.of(k, 0), of_keys.of(v, 0)))
