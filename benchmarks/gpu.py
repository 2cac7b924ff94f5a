"""The engine on a card: microseconds a step, share of what its memory allows, tokens for many.

    python -m benchmarks.gpu [--quick] [--json FILE] [--device cuda|cpu]

Weights are random, of the right shape. A step is a greedy token of one sequence after 500 others,
its choice read back by the host. The roof is the time to read every weight once at the memory's
nominal speed. A part that fails is reported and the others go on; with --device cpu everything is
tiny, which shows only that the program works.
"""

import argparse
import gc
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import torch

from benchmarks.gpu_models import SIZES, TINY, build_random, count_read_bytes
from benchmarks.gpu_peers import synchronise, time_plain_loop, time_transformers
from benchmarks.report import build_manifest, report
from generation.engine.attention import PackedContext
from generation.engine.config import ModelConfig
from generation.engine.cuda.graphs import CudaRecorder, record_nothing
from generation.engine.cuda.int8 import pack_int8
from generation.engine.cuda.probe import choose_attention, default_builders
from generation.engine.devices import build_runner
from generation.engine.engine import Engine, EngineSettings
from generation.engine.model import Transformer
from generation.engine.pages import PAGE_SIZE
from generation.engine.params import SamplingParams
from generation.engine.runner import BatchRunner, Chunk, RunnerSizes

# bytes a second, from the makers' data sheets (SXM where there are several)
_NOMINAL: Final = {"H200": 4.8e12, "H100": 3.35e12, "A100": 2.04e12, "L40S": 0.86e12, "L4": 0.3e12}
Figures = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    sizes: Mapping[str, ModelConfig]
    batched: Sequence[str]  # sizes that also serve many
    beside_transformers: Sequence[str]
    compiled: Sequence[str]
    streams: Sequence[int]
    num_steps: int
    start: int  # tokens before the first step
    num_prompt: int
    num_output: int
    limit_s: float  # no part is begun after it
    dtype: torch.dtype = torch.bfloat16


FULL: Final = Plan(
    sizes=SIZES,
    batched=("smollm2_135m", "llama_1b", "llama_8b"),
    beside_transformers=("smollm2_135m", "llama_1b", "llama_8b"),
    compiled=("smollm2_135m", "llama_1b"),
    streams=(1, 8, 32, 128),
    num_steps=200,
    start=500,
    num_prompt=128,
    num_output=128,
    limit_s=420.0,
)
QUICK: Final = Plan(
    sizes={name: SIZES[name] for name in ("smollm2_135m", "llama_1b")},
    batched=("smollm2_135m",),
    beside_transformers=("smollm2_135m",),
    compiled=(),
    streams=(1, 32),
    num_steps=50,
    start=500,
    num_prompt=128,
    num_output=32,
    limit_s=90.0,
)
SMOKE: Final = Plan(
    sizes={"tiny": TINY},
    batched=("tiny",),
    beside_transformers=(),
    compiled=(),
    streams=(1, 2),
    num_steps=3,
    start=20,
    num_prompt=8,
    num_output=4,
    limit_s=60.0,
    dtype=torch.float32,
)


@dataclass(slots=True)
class Results:
    """Figures of the parts that went well, and why the others did not."""

    limit_s: float
    figures: Figures = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    _started: float = field(default_factory=time.perf_counter)

    def take(self, part: str, measure: Callable[[], Figures]) -> None:
        if time.perf_counter() - self._started > self.limit_s:
            self.failures[part] = f"left out: {self.limit_s:.0f} s had passed"
            return
        print(f"{time.perf_counter() - self._started:6.1f} s  {part}", flush=True)
        try:
            self.figures |= measure()
        except Exception as error:  # noqa: BLE001  # one part must not cost the others' figures
            self.failures[part] = f"{type(error).__name__}: {error}"[:600]
            print(f"          failed: {self.failures[part]}", flush=True)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


class Bench:
    def __init__(self, plan: Plan, device: torch.device) -> None:
        self._plan = plan
        self._device = device
        self.results = Results(plan.limit_s)
        self._bandwidth = 1.0

    def run(self) -> None:
        """The parts in order of what is wanted most."""
        plan, take = self._plan, self.results.take
        take("memory", self._measure_memory)
        for name, config in plan.sizes.items():
            take(f"attention {name}", partial(self._probe, name, config))
            take(f"agreement {name}", partial(self._compare, name, config))
            take(f"step {name}", partial(self._time_steps, name, config))
        for name in plan.batched:
            take(f"streams {name}", partial(self._serve, name))
        for name, config in plan.sizes.items():
            take(f"plain loop {name}", partial(self._time_plain, name, config))
        for name in plan.beside_transformers:
            take(f"transformers {name}", partial(self._serve_with_transformers, name))
        if self._device.type == "cuda":  # the kernel is for nothing else
            for name, config in plan.sizes.items():
                take(f"int8 {name}", partial(self._time_int8, name, config))
        for name in plan.compiled:
            take(f"compiled {name}", partial(self._time_compiled, name))
            take(f"plain loop compiled {name}", partial(self._time_plain_compiled, name))

    def _measure_memory(self) -> Figures:
        """Reading and writing a gibibyte."""
        size = 1 << 30 if self._device.type == "cuda" else 1 << 20
        source = torch.zeros(size, dtype=torch.uint8, device=self._device)
        target = torch.empty_like(source)
        seconds = _time(lambda: target.copy_(source), self._device, repeats=10)
        measured = 2 * size / seconds
        name = torch.cuda.get_device_name() if self._device.type == "cuda" else "cpu"
        nominal = next((speed for card, speed in _NOMINAL.items() if card in name), measured)
        self._bandwidth = nominal
        return {"memory_copied_gb_s": measured / 1e9, "memory_nominal_gb_s": nominal / 1e9}

    def _build(self, config: ModelConfig) -> Transformer:
        return build_random(config, self._device, self._plan.dtype)

    def _build_runner(self, model: Transformer, *, compile_blocks: bool = False) -> BatchRunner:
        length = self._plan.start + self._plan.num_steps + 2 * PAGE_SIZE
        sizes = RunnerSizes(
            num_pages=-(-length // PAGE_SIZE),
            page_size=PAGE_SIZE,
            max_context=length,
            max_sequences=1,
            compile_blocks=compile_blocks,
        )
        return build_runner(model, sizes)

    def _probe(self, name: str, config: ModelConfig) -> Figures:
        # one layer of each kind is all that attention asks about
        model = self._build(config)
        cuda = self._device.type == "cuda"
        builders = default_builders(self._device) if cuda else {}
        record = CudaRecorder(self._device) if cuda else record_nothing
        best, verdicts = choose_attention(model, builders, record, page_size=PAGE_SIZE)
        for verdict in verdicts:
            print(f"          {verdict.name}: {verdict.error or f'{verdict.seconds * 1e6:.1f} us'}")
        print(f"          taken: {best.name}")
        return {f"{name}_attention_{v.name}_us": v.seconds * 1e6 for v in verdicts if not v.error}

    @torch.inference_mode()
    def _compare(self, name: str, config: ModelConfig) -> Figures:
        """Recorded steps over pages beside whole sequences without a cache."""
        model = self._build(config)
        runner = self._build_runner(model)
        tokens = _draw_prompt(config, self._plan.start + 16, seed=1)
        pages = range(-(-len(tokens) // PAGE_SIZE))
        start = self._plan.start
        runner.run([Chunk(tokens[:start], 0, pages, first_row=start)])
        rows = [
            runner.run([Chunk(tokens[at : at + 1], at, pages, first_row=0)]).clone()
            for at in range(start, len(tokens))
        ]
        ours = runner.logits(torch.cat(rows)).log_softmax(-1)
        ids = torch.tensor(tokens, device=self._device)
        positions = torch.arange(len(tokens), device=self._device)
        whole = model(ids, positions, PackedContext([len(tokens)]))[start:]
        right = model.logits(whole).log_softmax(-1)
        divergence = (right.exp() * (right - ours)).sum(-1).mean()
        agreement = (right.argmax(-1) == ours.argmax(-1)).float().mean()
        return {f"{name}_kl": float(divergence), f"{name}_top1_agreement": float(agreement)}

    def _time_steps(self, name: str, config: ModelConfig) -> Figures:
        model = self._build(config)
        return self._step_figures(name, model, self._build_runner(model))

    def _step_figures(
        self, name: str, model: Transformer, runner: BatchRunner, *, read_bytes: int | None = None
    ) -> Figures:
        seconds = self._time_greedy(model.config, runner)
        roof_s = (read_bytes or count_read_bytes(model)) / self._bandwidth
        return {
            f"{name}_step_us": seconds * 1e6,
            f"{name}_tok_s": 1 / seconds,
            f"{name}_share_of_roof": roof_s / seconds,
        }

    @torch.inference_mode()
    def _time_greedy(self, config: ModelConfig, runner: BatchRunner) -> float:
        plan = self._plan
        pages = range(-(-(plan.start + plan.num_steps + 1) // PAGE_SIZE))
        prompt = _draw_prompt(config, plan.start, seed=0)
        hidden = runner.run([Chunk(prompt, 0, pages, first_row=plan.start - 1)])
        token = int(runner.logits(hidden).argmax())
        synchronise(self._device)
        started = time.perf_counter()
        for step in range(plan.num_steps):
            hidden = runner.run([Chunk([token], plan.start + step, pages, first_row=0)])
            token = int(runner.logits(hidden).argmax())
        return (time.perf_counter() - started) / plan.num_steps

    def _time_int8(self, name: str, config: ModelConfig) -> Figures:
        model = self._build(config)
        read_bytes = count_read_bytes(model) // 2
        pack_int8(model)
        runner = self._build_runner(model)
        return self._step_figures(f"{name}_int8", model, runner, read_bytes=read_bytes)

    def _time_compiled(self, name: str) -> Figures:
        model = self._build(self._plan.sizes[name])
        runner = self._build_runner(model, compile_blocks=True)
        return self._step_figures(f"{name}_compiled", model, runner)

    def _time_plain_compiled(self, name: str) -> Figures:
        torch.compiler.reset()
        model = self._build(self._plan.sizes[name])
        return self._plain_figures(f"{name}_plain_compiled", model, compiled=True)

    def _time_plain(self, name: str, config: ModelConfig) -> Figures:
        return self._plain_figures(f"{name}_plain", self._build(config), compiled=False)

    def _plain_figures(self, name: str, model: Transformer, *, compiled: bool) -> Figures:
        plan = self._plan
        seconds = time_plain_loop(
            model,
            length=plan.start + plan.num_steps + 32,
            start=plan.start,
            steps=plan.num_steps,
            compiled=compiled,
        )
        return {f"{name}_step_us": seconds * 1e6, f"{name}_tok_s": 1 / seconds}

    def _serve(self, name: str) -> Figures:
        """Tokens a second through the whole engine, all requests sent at once."""
        model = self._build(self._plan.sizes[name])
        most = max(self._plan.streams)
        length = self._plan.num_prompt + self._plan.num_output + PAGE_SIZE
        token_bytes = 2 * model.config.num_layers * model.config.kv_size * model.dtype.itemsize
        settings = EngineSettings(
            max_context=length,
            kv_bytes=(most + 2) * (length + PAGE_SIZE) * token_bytes,
            max_batch_tokens=4096,
            max_sequences=most,
            lookup=False,  # random weights say nothing twice
        )
        engine = Engine(model, settings)
        figures = {}
        for count in self._plan.streams:
            self._answer(engine, model.config, count, seed=1000 + count)
            seconds = self._answer(engine, model.config, count, seed=2000 + count)
            figures[f"{name}_streams{count}_tok_s"] = count * self._plan.num_output / seconds
        engine.close()
        return figures

    def _answer(self, engine: Engine, config: ModelConfig, count: int, *, seed: int) -> float:
        prompts = _draw_prompts(config, count, self._plan.num_prompt, seed=seed)
        params = SamplingParams(max_tokens=self._plan.num_output)
        started = time.perf_counter()
        asked = [engine.generate(prompt, params) for prompt in prompts]
        num_tokens = sum(len(list(generation)) for generation in asked)
        seconds = time.perf_counter() - started
        assert num_tokens == count * self._plan.num_output
        return seconds

    def _serve_with_transformers(self, name: str) -> Figures:
        config = self._plan.sizes[name]
        model = self._build(config)
        figures = {}
        for count in self._plan.streams:
            prompts = _draw_prompts(config, count, self._plan.num_prompt, seed=count)
            seconds = time_transformers(model, prompts, num_tokens=self._plan.num_output)
            key = f"{name}_transformers_streams{count}_tok_s"
            figures[key] = count * self._plan.num_output / seconds
        return figures


def _time(step: Callable[[], object], device: torch.device, *, repeats: int) -> float:
    step()
    synchronise(device)
    started = time.perf_counter()
    for _ in range(repeats):
        step()
    synchronise(device)
    return (time.perf_counter() - started) / repeats


def _draw_prompts(config: ModelConfig, count: int, length: int, *, seed: int) -> list[list[int]]:
    return [_draw_prompt(config, length, seed=seed * 1000 + row) for row in range(count)]


def _draw_prompt(config: ModelConfig, length: int, *, seed: int) -> list[int]:
    draw = random.Random(seed)  # noqa: S311  # the same prompts every time
    return [draw.randrange(config.vocab_size) for _ in range(length)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu")
    parser.add_argument("--quick", action="store_true", help="two sizes, fewer tokens")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("this machine has no CUDA card, or torch is a CPU build; nothing was measured")
        sys.exit(1)
    plan = SMOKE if options.device == "cpu" else QUICK if options.quick else FULL
    bench = Bench(plan, torch.device(options.device))
    bench.run()
    found = bench.results
    card = torch.cuda.get_device_name() if options.device == "cuda" else "none"
    failed = {f"failed: {part}": reason for part, reason in found.failures.items()}
    settings: dict[str, str | int | float] = {"card": card, "dtype": str(plan.dtype), **failed}
    for part, reason in found.failures.items():
        print(f"failed: {part}: {reason}")
    report(found.figures, build_manifest("gpu", settings), json_path=options.json)


if __name__ == "__main__":
    main()
