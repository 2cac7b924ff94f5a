"""Run small batches through the C++ step, larger ones through PyTorch; one cache for both.

From Python a step of decoding is some thirty calls a layer, and a third
of its time is spent between them (benchmarks/LOG.md).
"""

import ctypes
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from generation.engine.config import ModelConfig
from generation.engine.model import Attention, Block, GatedFeedForward, Rope, Transformer
from generation.engine.native.blocked import (
    BFLOAT16,
    BLOCK,
    FLOAT32,
    MAX_ROWS,
    Blocked,
    multiply,
)
from generation.engine.native.library import Batch, Layer, Library, Matrix, Model, address
from generation.engine.packing import PackedLinear
from generation.engine.runner import Chunk, Runner

_LANES: Final = 16
_MAX_GROUPED: Final = 16
# of a head: attention.h has each of them compiled
_HEAD_SIZES: Final = (16, 32, 64, 80, 96, 128, 256)
_ACTIVATIONS: Final = {"silu": 0, "gelu_tanh": 1}


def can_run(model: Transformer, *, page_size: int) -> bool:
    """Whether the C++ knows such a model, and some of its weights are packed for it."""
    config = model.config
    sizes = (config.d_model, config.d_ff, config.q_size, config.kv_size)
    return (
        config.norm == "rms"
        and config.gated
        and config.positions == "rope"
        and config.activation in _ACTIVATIONS
        and all(size % BLOCK == 0 for size in sizes)
        and config.head_dim in _HEAD_SIZES
        and config.num_heads // config.num_kv_heads <= _MAX_GROUPED
        and page_size % _LANES == 0
        and model.dtype in (torch.float32, torch.bfloat16)
        and _find_library(model) is not None
    )


def _find_library(model: Transformer) -> Library | None:
    """What weights that were packed for it bring along."""
    packed = (module.packed for module in model.modules() if isinstance(module, PackedLinear))
    return next((form.library for form in packed if isinstance(form, Blocked)), None)


class NativeRunner(Runner):
    """A `Runner` whose steps of up to MAX_ROWS tokens are the C++'s, for what `can_run`.

    They read pages wherever they lie. A prompt's few steps gather theirs.
    """

    wants_runs = False

    def __init__(self, model: Transformer, *, num_pages: int, page_size: int) -> None:
        super().__init__(model, num_pages=num_pages, page_size=page_size)
        library = _find_library(model)
        if library is None:
            raise TypeError("no weights of the model are packed for compiled steps")
        self._transformer = model
        self._library = library
        self._kept: list[Tensor] = []  # what the addresses below point into
        layers = self._layers(model)
        self._layers_there = (Layer * len(layers))(*layers)
        self._model_there = self._describe(model.config, model, page_size)
        self._head = self._matrix(model.head)

    def run(self, chunks: Sequence[Chunk]) -> Tensor:
        """Hidden states are float32 where the C++ computed them, which knows no adapters."""
        num_rows = sum(len(chunk.tokens) for chunk in chunks)
        if num_rows > MAX_ROWS or any(chunk.adapter for chunk in chunks):
            return super().run(chunks)
        tokens: list[int] = []
        rows: list[int] = []
        positions: list[int] = []
        first_page: list[int] = []
        pages: list[int] = []
        for chunk in chunks:
            self._cache.copy_pages(chunk.copies)
            end = chunk.start + len(chunk.tokens)
            self._cache.refuse_overflow(chunk.pages, end)
            rows += range(len(tokens) + chunk.first_row, len(tokens) + len(chunk.tokens))
            tokens += chunk.tokens
            positions += range(chunk.start, end)
            first_page += [len(pages)] * len(chunk.tokens)
            pages += chunk.pages
        places = torch.tensor((*positions, *first_page, *pages), dtype=torch.int32)
        hidden = self._transformer.embed(torch.tensor(tokens)).float()  # (N, C)
        self._step(hidden, places)
        return hidden if len(rows) == len(tokens) else hidden[rows]

    def logits(self, hidden: Tensor) -> Tensor:
        """hidden (R, C) -> float32 logits (R, V)."""
        if hidden.shape[0] <= MAX_ROWS:
            return multiply(self._library, self._head, hidden.float())
        return super().logits(hidden.to(self._transformer.dtype))

    def log_likelihoods(self, hidden: Tensor, targets: Sequence[int]) -> Tensor:
        """Of each target after its hidden state: hidden (R, C), R targets -> (R,)."""
        return super().log_likelihoods(hidden.to(self._transformer.dtype), targets)

    def _step(self, hidden: Tensor, places: Tensor) -> None:
        """hidden (N, C) of embedded tokens becomes that of the last layer, normed."""
        num_rows, num_threads = hidden.shape[0], torch.get_num_threads()
        there = address(places)
        size = num_rows * places.element_size()
        batch = Batch(there, there + size, there + 2 * size, num_rows)
        count = (ctypes.c_int32(num_rows), ctypes.c_int32(num_threads))
        model = ctypes.byref(self._model_there)
        memory = torch.empty(self._library.step_memory(model, *count))
        self._library.run_step(
            model,
            ctypes.byref(batch),
            ctypes.c_void_p(address(hidden)),
            ctypes.c_void_p(address(memory)),
            count[1],
        )

    def _describe(self, config: ModelConfig, model: Transformer, page_size: int) -> Model:
        return Model(
            layers=self._layers_there,
            norm=self._norm(model.norm),
            num_slots=self._cache.num_pages * page_size,
            num_layers=config.num_layers,
            d_model=config.d_model,
            d_ff=config.d_ff,
            num_heads=config.num_heads,
            num_kv_heads=config.num_kv_heads,
            head_dim=config.head_dim,
            page_size=page_size,
            activation=_ACTIVATIONS[config.activation],
            cache_is_float32=model.dtype == torch.float32,
            eps=config.norm_eps,
            score_scale=config.score_scale,
        )

    def _layers(self, model: Transformer) -> list[Layer]:
        # exact angles, whatever the model's own tables were rounded to
        config = model.config
        turns = Rope(config, theta=config.rope_theta, scaling=config.rope_scaling)
        local = turns
        if config.local_rope_theta is not None:
            local = Rope(config, theta=config.local_rope_theta, scaling=None)
        return [
            self._layer(block, index, local if block.is_local else turns)
            for index, block in enumerate(model.blocks)
            if isinstance(block, Block)
        ]

    def _layer(self, block: Block, index: int, turns: Rope) -> Layer:
        attention, feed_forward = block.attention, block.feed_forward
        if not isinstance(feed_forward, GatedFeedForward):
            raise TypeError(f"layer {index} is not gated")
        return Layer(
            qkv=self._matrix(attention.qkv),
            out=self._matrix(attention.out),
            gate_up=self._matrix(feed_forward.gate_up),
            down=self._matrix(feed_forward.down),
            attention_norm=self._norm(block.attention_norm),
            feed_forward_norm=self._norm(block.feed_forward_norm),
            attention_out_norm=self._norm(block.attention_out_norm),
            feed_forward_out_norm=self._norm(block.feed_forward_out_norm),
            q_norm=self._norm(attention.q_norm),
            k_norm=self._norm(attention.k_norm),
            keys=address(self._cache.keys[index]),
            values=address(self._cache.values[index]),
            window=attention.layer.window or 0,
            **self._angles(attention, turns),
        )

    def _angles(self, attention: Attention, turns: Rope) -> dict[str, int]:
        if not attention.rotates:
            return {}
        return {"cos": self._keep(turns.cos), "sin": self._keep(turns.sin)}

    def _norm(self, norm: nn.Module | None) -> int:
        weight = getattr(norm, "weight", None)  # no norm here: an Identity, or None
        return self._float(weight) if isinstance(weight, Tensor) else 0

    def _matrix(self, product: nn.Module) -> Matrix:
        """A product's weights as they lie, packed or not."""
        weight, bias = product.weight, product.bias
        if not isinstance(weight, Tensor):
            raise TypeError("a product has no weights")
        there = self._float(bias) if isinstance(bias, Tensor) else 0
        if isinstance(product, PackedLinear) and isinstance(product.packed, Blocked):
            return product.packed.matrix(bias=there)
        kind = FLOAT32 if weight.dtype == torch.float32 else BFLOAT16
        return Matrix(address(weight), 0, there, kind, *weight.shape)

    def _float(self, tensor: Tensor) -> int:
        return self._keep(tensor.float())

    def _keep(self, tensor: Tensor) -> int:
        self._kept.append(tensor.contiguous())
        return address(self._kept[-1])
