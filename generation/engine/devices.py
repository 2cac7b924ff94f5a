"""Which runner a model gets, by where its weights are. A choice of device is a dict of builders."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from generation.engine.errors import UnsupportedModelError
from generation.engine.model import Transformer
from generation.engine.native.runner import NativeRunner, can_run
from generation.engine.runner import BatchRunner, CausalModel, Runner, RunnerSizes

RunnerBuilder = Callable[[CausalModel, RunnerSizes], BatchRunner]


def build_cpu_runner(model: CausalModel, sizes: RunnerSizes) -> BatchRunner:
    num_pages, page_size = sizes.num_pages, sizes.page_size
    if isinstance(model, Transformer) and can_run(model, page_size=page_size):
        return NativeRunner(model, num_pages=num_pages, page_size=page_size)
    return Runner(model, num_pages=num_pages, page_size=page_size)


def build_cuda_runner(model: CausalModel, sizes: RunnerSizes) -> BatchRunner:
    """Tries the ways of attention and records the steps: takes seconds."""
    # none of it is wanted where there is no card
    from generation.engine.cuda.start import start_runner  # noqa: PLC0415

    return start_runner(model, sizes)


RUNNERS: Final[Mapping[str, RunnerBuilder]] = MappingProxyType(
    {"cpu": build_cpu_runner, "cuda": build_cuda_runner}
)


def build_runner(model: CausalModel, sizes: RunnerSizes) -> BatchRunner:
    """Raises UnsupportedModelError where the model lies on a device that has no runner."""
    build = RUNNERS.get(model.device.type)
    if build is None:
        raise UnsupportedModelError(
            f"the model is on {model.device}; move it to one of: {', '.join(RUNNERS)}"
        )
    return build(model, sizes)
