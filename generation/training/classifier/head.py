"""What learns: a linear layer or two over centred vectors; its batches and its loss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from core.classifier import Floats, Layer
from generation.training.packing import ShuffledStream

_MIN_SCALE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class VectorBatch:
    """Vectors (N, D) and the number of each one's label (N,)."""

    vectors: Tensor
    targets: Tensor

    @property
    def num_targets(self) -> int:
        return len(self.targets)

    def to(self, device: torch.device) -> "VectorBatch":
        return VectorBatch(self.vectors.to(device), self.targets.to(device))


class Head(nn.Module):
    """Unit vectors to scores. Centring and scaling are folded in when it is served."""

    mean: Tensor
    scale: Tensor

    def __init__(self, vectors: Floats, num_labels: int, *, hidden: int, seed: int) -> None:
        super().__init__()
        known = torch.from_numpy(vectors)
        self.register_buffer("mean", known.mean(dim=0), persistent=False)
        # one for all dimensions: one that hardly varied here may vary in what is classified later
        spread = (known - self.mean).square().mean().sqrt().clamp_min(_MIN_SCALE)
        self.register_buffer("scale", spread, persistent=False)
        generator = torch.Generator().manual_seed(seed)
        width = vectors.shape[1]
        self.hidden = _build_linear(width, hidden, generator) if hidden else None
        self.out = _build_linear(hidden or width, num_labels, generator)
        if not hidden:
            nn.init.zeros_(self.out.weight)  # convex: where it begins does not matter

    def forward(self, vectors: Tensor) -> Tensor:
        """(N, D) -> scores (N, L)."""
        x = (vectors - self.mean) / self.scale
        if self.hidden is not None:
            x = F.relu(self.hidden(x))
        scores: Tensor = self.out(x)
        return scores

    def layers(self) -> tuple[Layer | None, Layer]:
        """The same as layers over plain vectors: the hidden one, if there is one, and the last."""
        first = self.out if self.hidden is None else self.hidden
        weight = (first.weight / self.scale).detach()
        folded = _as_layer(weight, (first.bias - weight @ self.mean).detach())
        if self.hidden is None:
            return None, folded
        return folded, _as_layer(self.out.weight.detach(), self.out.bias.detach())


def weigh_labels(targets: NDArray[np.int64], num_labels: int) -> Tensor:
    """A weight for each label so that all of them count alike, one on average over the texts."""
    sizes = np.bincount(targets, minlength=num_labels)
    return torch.from_numpy(len(targets) / (num_labels * sizes)).float()


def weighted_loss(weights: Tensor) -> Callable[[Head, VectorBatch], Tensor]:
    """The summed cross entropies of a batch, in nats, each by the weight of its label."""

    def loss_of(head: Head, batch: VectorBatch) -> Tensor:
        scores = head(batch.vectors)
        return F.cross_entropy(scores, batch.targets, weight=weights, reduction="sum")

    return loss_of


class VectorStream(ShuffledStream):
    """Texts without end, shuffled anew every round, one batch a step."""

    def __init__(
        self, vectors: Floats, targets: NDArray[np.int64], *, batch_texts: int, seed: int
    ) -> None:
        super().__init__(len(targets), seed=seed)
        self._vectors, self._targets = torch.from_numpy(vectors), torch.from_numpy(targets)
        self._size = min(batch_texts, len(targets))

    def take_step(self) -> list[VectorBatch]:
        """The batch of one optimizer step."""
        taken = [self._shuffle.take() for _ in range(self._size)]
        return [VectorBatch(self._vectors[taken], self._targets[taken])]


def _build_linear(num_in: int, num_out: int, generator: torch.Generator) -> nn.Linear:
    linear = nn.Linear(num_in, num_out)
    nn.init.kaiming_uniform_(linear.weight, nonlinearity="relu", generator=generator)
    nn.init.zeros_(linear.bias)
    return linear


def _as_layer(weight: Tensor, bias: Tensor) -> Layer:
    return Layer(weight.contiguous().numpy(), bias.contiguous().numpy())
