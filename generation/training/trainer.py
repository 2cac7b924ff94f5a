"""Batches and a loss to better weights: one optimizer step at a time. Knows no text and no files.

A loss sums over a batch's targets; the trainer divides by all targets of the step, so that how a
step is cut into forward passes changes memory, never the gradient. Another kind of training brings
its own batches and its own loss.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, Self, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generation.engine.attention import AttentionContext
from generation.engine.model import Transformer
from generation.training.errors import DivergedError
from generation.training.packing import IGNORED

FINAL_SHARE: Final = 0.1  # of the peak learning rate, at the end
MAX_WARMUP: Final = 0.1  # of the run


class Batch(Protocol):
    @property
    def num_targets(self) -> int: ...
    def to(self, device: torch.device) -> Self: ...


class TokenBatch(Batch, Protocol):
    """Tokens for one forward pass, and what each is to be followed by."""

    @property
    def tokens(self) -> Tensor: ...
    @property
    def targets(self) -> Tensor: ...
    @property
    def positions(self) -> Tensor: ...
    def build_context(self) -> AttentionContext: ...


B = TypeVar("B", bound=Batch)
M = TypeVar("M", bound=nn.Module)
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerSettings:
    """AdamW's numbers; those of GPT-3 (Brown et al. 2020, appendix B) but for the rate."""

    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    max_grad_norm: float = 1.0


@dataclass(frozen=True, slots=True)
class StepResult:
    loss: float  # nats per target
    grad_norm: float  # before clipping


class Trainer(Generic[M, B]):
    """A model, its optimizer and its precision. Weights stay float32; `dtype` is of the products.

    `loss_of(model, batch)` returns the sum of the losses of the batch's targets.
    """

    def __init__(
        self,
        model: M,
        loss_of: Callable[[M, B], Tensor],
        *,
        settings: OptimizerSettings,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.model = model
        self._loss_of = loss_of
        self._settings = settings
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._device = self._parameters[0].device
        self._autocast = torch.autocast(
            self._device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16
        )
        self._optimizer = build_optimizer(self._parameters, settings)

    def step(self, batches: Sequence[B], *, learning_rate: float) -> StepResult:
        """One optimizer step over all batches together.

        Raises DivergedError, before any weight changes, when loss or gradient is not a number.
        """
        num_targets = sum(batch.num_targets for batch in batches)
        total = torch.zeros((), device=self._device)
        for batch in batches:
            with self._autocast:
                loss = self._loss_of(self.model, batch.to(self._device)) / num_targets
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        norm = nn.utils.clip_grad_norm_(self._parameters, self._settings.max_grad_norm)
        result = StepResult(total.item(), norm.item())
        if not (math.isfinite(result.loss) and math.isfinite(result.grad_norm)):
            raise DivergedError(f"the loss became {result.loss}; try a lower --lr")
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return result

    def mean_loss(self, batches: Iterable[B]) -> float:
        """Nats per target over all batches."""
        total, num_targets = torch.zeros((), dtype=torch.float64, device=self._device), 0
        for batch in batches:
            total += self.compute(self._loss_of, batch)
            num_targets += batch.num_targets
        return total.item() / num_targets

    @torch.no_grad()
    def compute(self, of: Callable[[M, B], R], batch: B) -> R:
        """Something about the model and a batch, as a step would see it; nothing learns."""
        with self._autocast:
            return of(self.model, batch.to(self._device))

    def state(self) -> dict[str, Any]:
        """Weights that learn and their optimizer, for `load_state`."""
        return {"model": self.weights(), "optimizer": self._optimizer.state_dict()}

    def load_state(self, state: dict[str, Any]) -> None:
        self.load_weights(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])

    def weights(self) -> dict[str, Tensor]:
        """The weights that learn: frozen ones are wherever they came from."""
        named = self.model.named_parameters()
        return {name: p.detach() for name, p in named if p.requires_grad}

    @torch.no_grad()
    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Raises ValueError where they are another model's."""
        own = self.weights()
        if {name: p.shape for name, p in own.items()} != {n: w.shape for n, w in weights.items()}:
            raise ValueError("it has other weights, or weights of other shapes")
        for name, weight in own.items():
            weight.copy_(weights[name])


def next_token_loss(model: Transformer, batch: TokenBatch) -> Tensor:
    """Sum of the cross entropies of the batch's targets, in nats."""
    logits, targets = predict(model, batch)
    return F.cross_entropy(logits, targets, reduction="sum")


def predict(model: Transformer, batch: TokenBatch) -> tuple[Tensor, Tensor]:
    """Logits (num_targets, V) and the targets (num_targets,) that they are to be held against."""
    hidden = model(batch.tokens, batch.positions, batch.build_context())  # (N, C)
    targets = batch.targets
    if batch.num_targets < len(targets):
        # logits are the largest tensor of all: none for tokens that teach nothing
        counted = targets != IGNORED
        hidden, targets = hidden[counted], targets[counted]
    return model.logits(hidden), targets


def build_optimizer(
    parameters: Sequence[nn.Parameter], settings: OptimizerSettings
) -> torch.optim.Optimizer:
    """AdamW; only matrices decay: a norm's or bias's pull to zero only costs quality."""
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=0.0,  # set at every step
        betas=(settings.beta1, settings.beta2),
        eps=settings.eps,
        fused=True,
    )


def learning_rate_at(step: int, progress: float, *, peak: float, warmup: int) -> float:
    """Linear warm-up over the first steps, and half a cosine down to a tenth of the peak.

    The warm-up is over after a tenth of the run, however many steps it was to take. progress: how
    much of the run is done, 0 to 1; by steps or by time, whichever ends it.
    """
    rise = min(1.0, max((step + 1) / max(1, warmup), progress / MAX_WARMUP))
    fall = FINAL_SHARE + (1 - FINAL_SHARE) * (1 + math.cos(math.pi * min(1.0, progress))) / 2
    return peak * rise * fall


def init_weights(model: Transformer, *, seed: int) -> None:
    """Draw the weights; products that add to the residual stream are drawn smaller.

    By 1 / sqrt(2 layers), as in GPT-2 (Radford et al. 2019, section 2.3): the stream's size does
    not grow with depth.
    """
    model.init_weights(seed=seed)
    scale = (2 * model.config.num_layers) ** -0.5
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("attention.out.weight", "feed_forward.down.weight")):
                parameter.mul_(scale)
