"""What learns: low-rank paths beside the products of the embedding model, and a score for where an
answer begins and one for where it ends.
"""

from pathlib import Path
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generation.engine.adapters import Adapter, LowRank
from generation.training.embedder.encoder import EncoderModel, Texts
from generation.training.extractor.options import ExtractorOptions
from generation.training.lora import draw_factors

_WEIGHT: Final = ".weight"
_BLOCKS: Final = "encoder."


class LowRankEncoder(EncoderModel):
    """An encoder whose weights stay; every product of its blocks gets a path that learns.

    Hu et al. 2021, as `generation.training.lora` does it for a transformer of ours.
    """

    def __init__(self, folder: Path, options: ExtractorOptions, dtype: torch.dtype) -> None:
        super().__init__(folder)
        self.requires_grad_(requires_grad=False)
        self.scale = options.alpha / options.rank
        generator = torch.Generator().manual_seed(options.seed)
        first, second = {}, {}
        for key, weight in self.weights.items():
            if not (key.startswith(_key(_BLOCKS)) and weight.dim() == 2):
                continue
            weight.data = weight.data.to(dtype)  # nothing but products reads it
            first[key], second[key] = draw_factors(weight, rank=options.rank, generator=generator)
        self.first = nn.ParameterDict(first)  # A (R, inputs)
        self.second = nn.ParameterDict(second)  # B (outputs, R)

    def multiply(self, x: Tensor, name: str) -> Tensor:
        """The product as it is, and what was learnt beside it."""
        key = _key(name + _WEIGHT)
        narrow = F.linear(x, self.first[key]) * self.scale
        return super().multiply(x, name) + F.linear(narrow, self.second[key])


class ExtractorModel(nn.Module):
    """The encoder, and two scores for each of its tokens."""

    def __init__(self, folder: Path, options: ExtractorOptions, dtype: torch.dtype) -> None:
        super().__init__()
        self.encoder = LowRankEncoder(folder, options, dtype)
        self.head = nn.Linear(self.encoder.config.d_model, 2)
        nn.init.zeros_(self.head.weight)  # every word is as likely at first
        nn.init.zeros_(self.head.bias)

    def forward(self, texts: Texts, allowed: Tensor) -> Tensor:
        """(B, T, 2) in float32: how well an answer begins and ends there; -inf where not allowed.

        allowed (B, T): tokens of the passage, and the first, which stands for no answer.
        """
        scores: Tensor = self.head(self.encoder.states(texts)).float()
        return scores.masked_fill(~allowed[..., None], -torch.inf)

    def build_adapter(self, *, base_sha256: str) -> Adapter:
        """What the products learnt, in bfloat16, by the names of the base's weights."""
        factors = {
            key.replace("/", "."): LowRank(_keep(a), _keep(self.encoder.second[key]))
            for key, a in self.encoder.first.items()
        }
        return Adapter(factors, scale=self.encoder.scale, base_sha256=base_sha256, prompt="")

    def build_head(self) -> dict[str, Tensor]:
        """The two scores, by the names that their file has."""
        return {
            "head.weight": self.head.weight.detach().cpu().contiguous(),
            "head.bias": self.head.bias.detach().cpu().contiguous(),
        }


def _keep(factor: Tensor) -> Tensor:
    return factor.detach().to("cpu", torch.bfloat16).contiguous()


def _key(name: str) -> str:
    return name.replace(".", "/")  # as `EncoderModel` keeps them
