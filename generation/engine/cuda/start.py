"""Make a card ready for a model: choose attention, compile if asked, record the steps."""

import logging
import time

import torch

from generation.engine.cuda.graphs import CudaRecorder
from generation.engine.cuda.pages import DeviceContext
from generation.engine.cuda.probe import choose_attention, default_builders
from generation.engine.cuda.runner import DeviceRunner
from generation.engine.model import Transformer
from generation.engine.runner import CausalModel, RunnerSizes

_log = logging.getLogger(__name__)


def start_runner(model: CausalModel, sizes: RunnerSizes) -> DeviceRunner:
    """A runner that has already run every shape it recorded: no step is slow for being first."""
    started = time.perf_counter()
    with torch.cuda.device(model.device):
        record = CudaRecorder(model.device)
        attention, _ = choose_attention(
            model, default_builders(model.device), record, page_size=sizes.page_size
        )
        context_type = DeviceContext
        if sizes.compile_blocks and isinstance(model, Transformer):
            # brings torch's compiler in, which takes seconds
            from generation.engine.cuda import compiling  # noqa: PLC0415

            compiling.compile_blocks(model.blocks)
            context_type = compiling.OpaqueContext
        runner = DeviceRunner(
            model,
            sizes,
            attention=attention,
            record=record,
            context_type=context_type,
        )
    _log.info("the card is ready after %.1f s", time.perf_counter() - started)
    return runner
