"""The arithmetic of one pass of an encoder, in the part of Python that TorchScript compiles.

Compiled, a pass is one call, and for all of it other threads have the interpreter. As Python it
gives Python's lock away and takes it back for each of some 250 operations, and waits each time for
whoever has it by then: under a hundred searches a second that is most of what a question waits for
(docs/decisions/0029-searches-at-a-rate.md).
"""

import functools
import warnings
from collections.abc import Callable
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

# What is silenced here and below is torch's: it types neither of these calls, and has no public
# names for oneDNN's packed products.
ONE_DNN: Final = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


class Linear(NamedTuple):
    """y = x W' + b in the weights' number format."""

    weight: Tensor
    bias: Tensor


class Norm(NamedTuple):
    """A layer norm."""

    weight: Tensor
    bias: Tensor


class Layer(NamedTuple):
    """One layer: attention and what follows it. `qkv` is (3 D, D), in this order."""

    qkv: Linear
    out: Linear
    attention_norm: Norm
    up: Linear
    down: Linear
    norm: Norm


class Weights(NamedTuple):
    """Everything that a pass needs. `words` is (V, D) in any number format, `places` (P, D)."""

    words: Tensor
    places: Tensor
    norm: Norm
    layers: list[Layer]


Pass = Callable[[Weights, Tensor, list[tuple[int, int]], int, float], Tensor]
"""The arithmetic below: weights, ids, runs, heads and epsilon to what it makes of them."""


def pack(weight: Tensor, bias: Tensor) -> Linear:
    """The weights of a product as `run_pass` takes them.

    oneDNN's packed product is three times as fast as torch's own in float32 on processors for which
    MKL has no kernels of its own, and puts bias and GELU into the same pass.
    """
    if ONE_DNN:
        weight = torch.ops.mkldnn._reorder_linear_weight(weight, None)  # noqa: SLF001
    return Linear(weight, bias)


def run_pass(
    weights: Weights,
    tokens: Tensor,
    runs: list[tuple[int, int]],
    num_heads: int,
    eps: float,
) -> Tensor:
    """(N,) ids of B sequences end to end -> (B, D) float32 of unit length: the mean of each.

    `runs` says how many neighbouring sequences have the same length, and that length in tokens.
    """
    x = run_layers(weights, tokens, runs, num_heads, eps)
    means: list[Tensor] = []
    start = 0
    for count, length in runs:
        end = start + count * length
        means.append(x[start:end].view(count, length, -1).mean(dim=1))  # (count, D)
        start = end
    return F.normalize(torch.cat(means), dim=1)


def run_layers(
    weights: Weights,
    tokens: Tensor,
    runs: list[tuple[int, int]],
    num_heads: int,
    eps: float,
) -> Tensor:
    """The same ids -> (N, D) float32: what the last layer says of every token."""
    places = torch.cat([torch.arange(length).repeat(count) for count, length in runs])  # (N,)
    x = weights.words[tokens].float() + weights.places[places]
    x = _normalise(x, weights.norm, eps)  # (N, D)
    for layer in weights.layers:
        mixed = _attend(_multiply(x, layer.qkv), runs, num_heads)
        x = _normalise(x + _multiply(mixed, layer.out), layer.attention_norm, eps)
        wide = _multiply_gelu(x, layer.up)
        x = _normalise(x + _multiply(wide, layer.down), layer.norm, eps)
    return x


@functools.cache
def compiled_pass() -> Pass:
    """`run_pass` as one call; takes some tens of milliseconds the first time."""
    return _compile(run_pass)


@functools.cache
def compiled_layers() -> Pass:
    """`run_layers` as one call."""
    return _compile(run_layers)


def _compile(arithmetic: Pass) -> Pass:
    with warnings.catch_warnings():
        # PyTorch would rather have a graph exported and compiled by a C++ compiler, for half a
        # minute. This needs none, and where it is gone one day the function itself is as right.
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", DeprecationWarning)
        return torch.jit.script(arithmetic)


def _attend(qkv: Tensor, runs: list[tuple[int, int]], num_heads: int) -> Tensor:
    """(N, 3 D) -> (N, D): every sequence to itself."""
    mixed: list[Tensor] = []
    start = 0
    for count, length in runs:
        end = start + count * length
        heads = qkv[start:end].view(count, length, 3, num_heads, -1)
        q, k, v = heads.permute(2, 0, 3, 1, 4).unbind()  # (count, heads, T, D / heads) each
        out = F.scaled_dot_product_attention(q, k, v)
        mixed.append(out.transpose(1, 2).reshape(count * length, -1))
        start = end
    return torch.cat(mixed)


def _normalise(x: Tensor, norm: Norm, eps: float) -> Tensor:
    return F.layer_norm(x, [x.size(1)], norm.weight, norm.bias, eps)


def _multiply_packed(x: Tensor, linear: Linear) -> Tensor:
    return _point_wise(x, linear, "none", "")


def _multiply_gelu_packed(x: Tensor, linear: Linear) -> Tensor:
    return _point_wise(x, linear, "gelu", "none")  # "none": no tanh


def _point_wise(x: Tensor, linear: Linear, after: str, kind: str) -> Tensor:
    nothing = torch.jit.annotate(  # type: ignore[no-untyped-call]
        list[int | float | complex | None], []
    )
    product: Tensor = torch.ops.mkldnn._linear_pointwise(  # noqa: SLF001
        x.to(linear.bias.dtype), linear.weight, linear.bias, after, nothing, kind
    )
    return product


def _multiply_plain(x: Tensor, linear: Linear) -> Tensor:
    return F.linear(x.to(linear.bias.dtype), linear.weight, linear.bias)


def _multiply_gelu_plain(x: Tensor, linear: Linear) -> Tensor:
    return F.gelu(_multiply_plain(x, linear))


# the compiler looks for the operators that a function names, and torch may be built without them
_multiply: Final = _multiply_packed if ONE_DNN else _multiply_plain
_multiply_gelu: Final = _multiply_gelu_packed if ONE_DNN else _multiply_gelu_plain
