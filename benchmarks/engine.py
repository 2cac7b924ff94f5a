"""Loading, prefill and decoding of the built-in engine, beside transformers on the same weights.

    python -m benchmarks.engine [--quick] [--json FILE] [--model PATH] [--threads N]

Both sides are measured in one process and by turns, so that a busy machine slows both: the ratios
count (above 1: the engine is faster), the absolute figures belong to the machine.
"""

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from transformers import AutoTokenizer, LlamaForCausalLM
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from benchmarks.reference import build_reference
from benchmarks.report import build_manifest, report
from core.settings import load_settings
from generation.engine import Engine, SamplingParams, default_dtype
from generation.local_model import load_model

_MODEL = Path("smollm2-135m-instruct/model.gguf")


@dataclass(frozen=True, slots=True)
class Plan:
    prompt_tokens: int
    decode_tokens: int
    repeats: int


FULL = Plan(prompt_tokens=512, decode_tokens=64, repeats=5)
QUICK = Plan(prompt_tokens=128, decode_tokens=16, repeats=2)


@dataclass(frozen=True, slots=True)
class Speed:
    prefill_s: float
    decode_s: float  # per token


def measure_engine(engine: Engine, plan: Plan, *, run: int) -> Speed:
    prompt = _prompt(plan, run)
    started = time.perf_counter()
    generation = engine.generate(prompt, SamplingParams(max_tokens=plan.decode_tokens + 1))
    next(generation)
    prefill_s = time.perf_counter() - started
    return Speed(prefill_s, _median_step(lambda: next(generation), plan.decode_tokens))


@torch.inference_mode()
def measure_reference(model: LlamaForCausalLM, plan: Plan, *, run: int) -> Speed:
    """Its forward pass and its own cache, without the extra cost of its `generate` loop."""
    started = time.perf_counter()
    output = model(torch.tensor([_prompt(plan, run)]), use_cache=True, logits_to_keep=1)
    state = [output.past_key_values, output.logits[0, -1].argmax()]
    prefill_s = time.perf_counter() - started

    def step() -> None:
        found = model(state[1].view(1, 1), past_key_values=state[0], use_cache=True)
        state[:] = [found.past_key_values, found.logits[0, -1].argmax()]

    return Speed(prefill_s, _median_step(step, plan.decode_tokens))


def _median_step(step: Callable[[], object], count: int) -> float:
    times = []
    for _ in range(count):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return median(times)


def _prompt(plan: Plan, run: int) -> list[int]:
    """Tokens that differ from the first on in every run: nothing can be reused."""
    return [1000 + run, *range(2000, 2000 + plan.prompt_tokens - 1)]


def _timed(load: Callable[[], object]) -> float:
    started = time.perf_counter()
    load()
    return time.perf_counter() - started


def _load_with_transformers(path: Path, shapes: LlamaForCausalLM) -> None:
    """Its tokenizer and its GGUF reader; `from_pretrained` on top would also need accelerate."""
    AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    load_gguf_checkpoint(  # type: ignore[no-untyped-call]
        str(path), return_tensors=True, model_to_load=shapes
    )


def measure(path: Path, plan: Plan, *, num_threads: int) -> dict[str, float]:
    torch.set_num_threads(num_threads)
    load_model(path)  # from here on the disk is warm
    load_s = median(_timed(lambda: load_model(path)) for _ in range(plan.repeats))
    engine = Engine(load_model(path).model, max_context=2048)
    measure_engine(engine, QUICK, run=99)
    # before transformers' copy of the weights is made: this is what the engine itself needs
    peak_rss_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    # transformers in float32, which is what it makes of this file
    reference = build_reference(load_model(path, precision="float32").model)
    measure_reference(reference, QUICK, run=99)
    ours, theirs = [], []
    for run in range(plan.repeats):
        ours.append(measure_engine(engine, plan, run=run))
        theirs.append(measure_reference(reference, plan, run=run))
    reference_load_s = _timed(lambda: _load_with_transformers(path, reference))
    prefill_s = median(speed.prefill_s for speed in ours)
    decode_s = median(speed.decode_s for speed in ours)
    return {
        "load_s": load_s,
        "prefill_tok_s": plan.prompt_tokens / prefill_s,
        "decode_tok_s": 1 / decode_s,
        "peak_rss_bytes": float(peak_rss_bytes),
        "ratio_load_vs_transformers": reference_load_s / load_s,
        "ratio_prefill_vs_transformers": median(t.prefill_s for t in theirs) / prefill_s,
        "ratio_decode_vs_transformers": median(t.decode_s for t in theirs) / decode_s,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine")
    parser.add_argument("--quick", action="store_true", help="fewer tokens: does it run at all")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--model", type=Path, help="a GGUF file; the pulled model by default")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    path = options.model or load_settings().models_dir / _MODEL
    if not path.is_file():
        parser.error(
            f"{path} is not there; run 'cimiento models pull smollm2-135m-instruct' or pass --model"
        )
    plan = QUICK if options.quick else FULL
    figures = measure(path, plan, num_threads=options.threads)
    settings = {
        "model": path.parent.name,
        "dtype": str(default_dtype()),
        "prompt_tokens": plan.prompt_tokens,
        "decode_tokens": plan.decode_tokens,
        "repeats": plan.repeats,
    }
    report(figures, build_manifest("engine", settings), json_path=options.json)


if __name__ == "__main__":
    main()
