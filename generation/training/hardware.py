"""Which device and number format to train with. Refuses a device that is not there."""

from typing import Final

import torch

from generation.training.errors import OptionError

_FAST_BFLOAT16: Final = ("amx_bf16", "avx512_bf16", "bf16")
_PASS_TOKENS: Final = {"cpu": 4096, "cuda": 32_768}
_PASS_LOGITS: Final = {"cpu": 1 << 25, "cuda": 1 << 30}  # float32: 128 MB and 4 GB, twice


def choose_device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise OptionError("--device: torch sees no CUDA device on this machine; use cpu")
    return torch.device(name)


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The format of products: bfloat16 where the hardware multiplies it faster than float32."""
    if name != "auto":
        return torch.bfloat16 if name == "bfloat16" else torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    # younger than the oldest torch that we run on
    abilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return torch.bfloat16 if any(abilities.get(a) for a in _FAST_BFLOAT16) else torch.float32


def choose_pass_tokens(
    wanted: int | None, device: torch.device, *, batch_tokens: int, context: int, vocab_size: int
) -> int:
    """Tokens of one forward pass: no more than their logits leave memory for."""
    if wanted is not None:
        return min(wanted, batch_tokens)
    fitting = min(_PASS_TOKENS[device.type], _PASS_LOGITS[device.type] // vocab_size)
    return max(context, min(batch_tokens, fitting))
