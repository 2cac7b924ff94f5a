"""Put a model on a card, in the number format that was asked for. Decides nothing else."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import torch

from generation.engine.adapters import Adapter
from generation.engine.cuda.int8 import pack_int8
from generation.engine.errors import UnsupportedModelError
from generation.engine.model import Transformer
from generation.engine.packed_weights import Precision
from generation.engine.weights import WeightSource, build_transformer

# eight bits are packed on the card, from bfloat16
_DTYPES: Final[Mapping[str, torch.dtype]] = MappingProxyType(
    {
        "auto": torch.bfloat16,
        "bfloat16": torch.bfloat16,
        "int8": torch.bfloat16,
        "float32": torch.float32,
    }
)


def build_on_card(
    source: WeightSource,
    *,
    precision: Precision = "auto",
    device: torch.device,
    adapter: Adapter | None = None,
) -> Transformer:
    """A model ready for inference on `device`, its adapter merged; "auto" is bfloat16.

    Raises UnsupportedModelError for four bits, whose kernels are the processor's.
    """
    dtype = _DTYPES.get(precision)
    if dtype is None:
        raise UnsupportedModelError(
            f"{precision} weights run on the CPU only; on a card use one of: {', '.join(_DTYPES)}"
        )
    model = build_transformer(source, dtype=dtype, adapter=adapter).to(device)
    if precision == "int8":
        pack_int8(model)
    return model
