"""Run the model over one batch of scheduled work on a card. Decides nothing, as `Runner`."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from generation.engine.cuda.backends import PagedAttention
from generation.engine.cuda.batch import (
    BatchShape,
    PagedBatch,
    fill_buffer,
    measure,
    split_buffer,
)
from generation.engine.cuda.graphs import RecordedSteps, Recorder, bucket_shapes
from generation.engine.cuda.pages import DeviceContext, DevicePages
from generation.engine.lookup import DENSE_COSTS
from generation.engine.row_adapters import applied
from generation.engine.runner import (
    CausalModel,
    Chunk,
    RunnerSizes,
    adapter_parts,
    log_likelihoods,
)


class DeviceRunner:
    """Small batches replay a recorded step; the others run as they come: prompts, and batches with
    adapters, whose products were not recorded.
    """

    wants_runs = False

    def __init__(
        self,
        model: CausalModel,
        sizes: RunnerSizes,
        *,
        attention: PagedAttention,
        record: Recorder | None,
        context_type: type[DeviceContext] = DeviceContext,
    ) -> None:
        """Records every bucket where `record` is given and the attention allows it."""
        self._model = model
        self._attention = attention
        self._context_type = context_type
        self._pages = DevicePages(
            model.config,
            num_pages=sizes.num_pages,
            page_size=sizes.page_size,
            dtype=model.dtype,
            device=model.device,
        )
        # a thread's own card is the first, whichever the model is on
        self._on_device: AbstractContextManager[object] = (
            torch.cuda.device(model.device) if model.device.type == "cuda" else nullcontext()
        )
        self._steps: RecordedSteps | None = None
        if record is not None and attention.is_capturable:
            self._steps = self._record(sizes, record)
            self._warm_up()

    @torch.inference_mode()
    def run(self, chunks: Sequence[Chunk]) -> Tensor:
        """Compute and cache every chunk; the hidden states (R, C) that were asked for, in order.

        They may be overwritten by the next run.
        """
        with self._on_device:
            return self._run(chunks)

    def logits(self, hidden: Tensor) -> Tensor:
        """hidden (R, C) -> float32 logits (R, V)."""
        with self._on_device:
            return self._model.logits(hidden)

    def log_likelihoods(self, hidden: Tensor, targets: Sequence[int]) -> Tensor:
        """Of each target after its hidden state: hidden (R, C), R targets -> (R,)."""
        with self._on_device:
            return log_likelihoods(self._model, hidden, targets)

    def _run(self, chunks: Sequence[Chunk]) -> Tensor:
        for chunk in chunks:
            self._pages.copy(chunk.copies)
        shape = measure(chunks, self._pages.page_size)
        has_adapters = any(chunk.adapter for chunk in chunks)
        step = self._steps.find(shape) if self._steps and not has_adapters else None
        described = self._describe(chunks, step.shape if step else shape)
        if step is not None:
            hidden = step.run(described)  # (N and padding, C)
        else:
            on_device = described.to(self._model.device, non_blocking=True)
            with applied(self._model, adapter_parts(chunks)):
                hidden = self._compute(split_buffer(on_device, shape))  # (N, C)
        return _wanted_rows(hidden, chunks)

    @torch.inference_mode()
    def _record(self, sizes: RunnerSizes, record: Recorder) -> RecordedSteps:
        shapes = bucket_shapes(
            max_sequences=sizes.max_sequences,
            max_context=sizes.max_context,
            page_size=sizes.page_size,
            max_verified=1 + max(DENSE_COSTS),
        )
        return RecordedSteps(
            shapes,
            self._compute,
            record,
            idle=lambda shape: self._describe([], shape),
            device=self._model.device,
        )

    def _warm_up(self) -> None:
        """Compute a prompt in the spare page: what compiles or chooses kernels does so now."""
        spare, size = self._pages.spare_page, self._pages.page_size
        self.run([Chunk([0] * size, 0, [spare], first_row=size)])

    def _describe(self, chunks: Sequence[Chunk], shape: BatchShape) -> Tensor:
        return fill_buffer(
            chunks,
            shape,
            spare_page=self._pages.spare_page,
            pinned=self._model.device.type == "cuda",
        )

    def _compute(self, batch: PagedBatch) -> Tensor:
        context = self._context_type(self._pages, batch, self._attention)
        return self._model(batch.tokens.long(), batch.positions.long(), context)


def _wanted_rows(hidden: Tensor, chunks: Sequence[Chunk]) -> Tensor:
    rows: list[int] = []
    at = 0
    for chunk in chunks:
        rows += range(at + chunk.first_row, at + len(chunk.tokens))
        at += len(chunk.tokens)
    if len(rows) == at:
        return hidden[:at]
    return hidden[torch.tensor(rows, dtype=torch.int64, device=hidden.device)]
