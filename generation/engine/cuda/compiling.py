"""Compile the model's blocks: fewer, fused kernels for a graph to hold. Imported only if asked for.

torch's compiler is imported with this module, which takes seconds.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch._dynamo import config

from generation.engine.attention import LayerAttention
from generation.engine.cuda.pages import DeviceContext

# one for each kind of block (window or none, its own RoPE) and for batches of one and of many
MAX_VARIANTS: Final = 16


class OpaqueContext(DeviceContext):
    """Attention that the compiler does not look into.

    It would compile every layer anew for that layer's own cache, and after a few times give up and
    run it all uncompiled without a word. In a recorded graph the extra calls cost nothing.
    """

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def attend(self, layer: LayerAttention, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return super().attend(layer, q, k, v)


def compile_blocks(blocks: nn.ModuleList, *, backend: str = "inductor") -> None:
    """Compile each block in place; all of one kind share their code.

    A shape that would be compiled too often raises instead of running uncompiled.
    """
    config.recompile_limit = MAX_VARIANTS
    config.fail_on_recompile_limit_hit = True
    for block in blocks:
        block.compile(backend=backend, dynamic=True)
