"""The built-in engine beside llama.cpp and transformers: same file, same prompts, same threads.

    python -m benchmarks.engine [--quick] [--json FILE] [--data FOLDER] [--model FILE] [--threads N]

All are measured in one run and by turns, each in a process of its own, so that a busy machine slows
all: the ratios count (above 1: ours is faster), the absolute figures belong to the machine.
llama.cpp is measured where `pip install 'cimiento[bench]'` has been run. An answer is a prompt of
about 1,000 tokens and 60 tokens, greedily and past any end, so that all write as much. Cold:
nothing of the prompt is known. Warm: ten conversations take turns, each asks twice about its
passages, and the second answer is measured.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Final, cast

import torch

from benchmarks.engine_ours import Ours, Peer, Run
from benchmarks.engine_peers import Apart, LlamaCpp, Transformers
from benchmarks.grounded_prompts import Asked, build_prompts
from benchmarks.report import build_manifest, report
from core.settings import load_settings
from generation.engine.weights import default_dtype
from generation.local_model import load_tokenizer, open_weights
from generation.tokenizer import Tokenizer

_MODEL: Final = Path("smollm2-135m-instruct/model.gguf")
_AT_ONCE: Final = 10  # conversations that take turns
_MEMORY_PROGRAM: Final = """
import resource, sys
from pathlib import Path
from benchmarks.engine_ours import Ours
ours = Ours(Path(sys.argv[1]), Path(sys.argv[2]), num_threads=int(sys.argv[3]), lookup=True)
for first in range(5, 15):
    ours.answer([first, *range(1000, 2000)], 60, warm=True)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@dataclass(frozen=True, slots=True)
class Plan:
    num_prompts: int
    prompt_tokens: int
    answer_tokens: int
    num_for_speeds: int  # prompts for prefill and decoding apart
    num_slow: int  # prompts for transformers
    num_streams: int = 8


FULL: Final = Plan(
    num_prompts=50, prompt_tokens=1000, answer_tokens=60, num_for_speeds=10, num_slow=5
)
QUICK: Final = Plan(
    num_prompts=4, prompt_tokens=300, answer_tokens=20, num_for_speeds=2, num_slow=1
)


def measure(
    path: Path, plan: Plan, *, num_threads: int, data: Path | None, cache_dir: Path
) -> dict[str, float]:
    torch.set_num_threads(num_threads)
    figures = _measure_load(path, cache_dir, num_threads=num_threads)
    figures["peak_rss_bytes"] = _measure_memory(path, cache_dir, num_threads=num_threads)
    ours_of = partial(Ours, path, cache_dir, num_threads=num_threads)
    plain, ours = Apart(partial(ours_of, lookup=False)), Apart(partial(ours_of, lookup=True))
    peers: dict[str, Peer] = {"ours": ours}
    if find_spec("llama_cpp"):
        peers["llama_cpp"] = Apart(partial(LlamaCpp, path, num_threads=num_threads))
    prompts = build_prompts(
        _tokenizer(path),
        data=data,
        num_prompts=plan.num_prompts,
        num_tokens=plan.prompt_tokens,
    )
    for peer in (plain, *peers.values()):
        peer.answer(prompts[0].second[:100], 4, warm=False)
    figures["num_prompts"] = len(prompts)
    figures["mean_prompt_tokens"] = sum(len(asked.first) for asked in prompts) / len(prompts)
    few = prompts[: plan.num_for_speeds]
    figures |= _speeds(_answer_cold({"plain": plain, **peers}, few, plan), few)
    figures |= _compare(_answer_cold(peers, prompts, plan), _answer_warm(peers, prompts, plan))
    figures["ratio_streams8_vs_1"] = _measure_streams(plain, prompts, plan)
    figures |= cast(dict[str, float], ours.call("guesses"))
    slow = partial(Transformers, path, precision=default_dtype(), num_threads=num_threads)
    figures |= _measure_transformers(Apart(slow), plain, prompts[: plan.num_slow], plan)
    return figures


def _tokenizer(path: Path) -> Tokenizer:
    with open_weights(path) as source:
        return load_tokenizer(source)


def _answer_cold(
    peers: dict[str, Peer], prompts: Sequence[Asked], plan: Plan
) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {name: [] for name in peers}
    for asked in prompts:
        for name, peer in peers.items():
            runs[name].append(peer.answer(asked.first, plan.answer_tokens, warm=False))
    return runs


def _answer_warm(
    peers: dict[str, Peer], prompts: Sequence[Asked], plan: Plan
) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {name: [] for name in peers}
    for start in range(0, len(prompts), _AT_ONCE):
        group = prompts[start : start + _AT_ONCE]
        for asked in group:
            for peer in peers.values():
                peer.answer(asked.first, plan.answer_tokens, warm=True)
        for asked in group:
            for name, peer in peers.items():
                runs[name].append(peer.answer(asked.second, plan.answer_tokens, warm=True))
    return runs


def _speeds(cold: dict[str, list[Run]], prompts: Sequence[Asked]) -> dict[str, float]:
    """By the median: of the prompt without anything known, and of the tokens after the first."""
    figures: dict[str, float] = {}
    for name, runs in cold.items():
        suffix = {"plain": "", "ours": "_lookup"}.get(name, f"_{name}")
        prefill = [len(asked.first) / run.first_s for asked, run in zip(prompts, runs, strict=True)]
        if name != "ours":
            figures[f"prefill_tok_s{suffix}"] = median(prefill)
        figures[f"decode_tok_s{suffix}"] = median(run.decode_tok_s for run in runs)
    if "llama_cpp" in cold:
        for kind in ("prefill", "decode", "decode_lookup"):
            stem, _, rest = kind.partition("_")
            ours = figures[f"{stem}_tok_s{'_' + rest if rest else ''}"]
            figures[f"ratio_{kind}_vs_llama_cpp"] = ours / figures[f"{stem}_tok_s_llama_cpp"]
    return figures


def _compare(cold: dict[str, list[Run]], warm: dict[str, list[Run]]) -> dict[str, float]:
    """Seconds to a complete answer, and how many times as long the others take."""
    figures: dict[str, float] = {}
    seconds = {
        (name, state): sum(run.total_s for run in runs[name]) / len(runs[name])
        for state, runs in (("cold", cold), ("warm", warm))
        for name in runs
    }
    for (name, state), mean_s in seconds.items():
        figures[f"answer_{state}_s_{name}"] = mean_s
    if "llama_cpp" in cold:
        for state in ("cold", "warm"):
            ratio = seconds["llama_cpp", state] / seconds["ours", state]
            figures[f"ratio_answer_{state}_vs_llama_cpp"] = ratio
        figures["ratio_answer_warm_vs_llama_cpp_cold"] = (
            seconds["llama_cpp", "cold"] / seconds["ours", "warm"]
        )
    return figures


def _measure_streams(ours: Apart, prompts: Sequence[Asked], plan: Plan) -> float:
    """Tokens a second of several streams at once, against one alone."""

    def throughput(num_streams: int) -> float:
        chosen = [prompts[index % len(prompts)].first for index in range(num_streams)]
        return cast(float, ours.call("throughput", chosen, 2 * plan.answer_tokens))

    pairs = [(throughput(1), throughput(plan.num_streams)) for _ in range(3)]
    return median(several / one for one, several in pairs)


def _measure_transformers(
    transformers: Peer, plain: Peer, prompts: Sequence[Asked], plan: Plan
) -> dict[str, float]:
    peers = {"plain": plain, "transformers": transformers}
    transformers.answer(prompts[0].second[:100], 4, warm=False)
    runs = _answer_cold(peers, prompts, plan)
    ours, theirs = runs["plain"], runs["transformers"]
    pairs = list(zip(ours, theirs, strict=True))
    return {
        "ratio_prefill_vs_transformers": median(t.first_s / o.first_s for o, t in pairs),
        "ratio_decode_vs_transformers": median(o.decode_tok_s / t.decode_tok_s for o, t in pairs),
        "ratio_answer_cold_vs_transformers": median(t.total_s / o.total_s for o, t in pairs),
    }


def _measure_load(path: Path, cache_dir: Path, *, num_threads: int) -> dict[str, float]:
    """From a warm disk, ready to answer; ours with its packed weights kept from the time before."""
    Ours(path, cache_dir, num_threads=num_threads, lookup=True)
    figures = {
        "load_s": _timed(lambda: Ours(path, cache_dir, num_threads=num_threads, lookup=True))
    }
    if find_spec("llama_cpp"):
        figures["load_s_llama_cpp"] = _timed(lambda: LlamaCpp(path, num_threads=num_threads))
    return figures


def _measure_memory(path: Path, cache_dir: Path, *, num_threads: int) -> float:
    """Of a process that holds our engine alone and has answered ten prompts."""
    found = subprocess.run(
        [sys.executable, "-c", _MEMORY_PROGRAM, str(path), str(cache_dir), str(num_threads)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(found.stdout)


def _timed(load: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        started = time.perf_counter()
        load()
        times.append(time.perf_counter() - started)
    return median(times)


@contextmanager
def _folder(chosen: Path | None) -> Iterator[Path]:
    if chosen is not None:
        yield chosen
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine")
    parser.add_argument("--quick", action="store_true", help="fewer tokens: does it run at all")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--data", type=Path, help="folder with xquad/ and squad_en/")
    parser.add_argument("--model", type=Path, help="a GGUF file; the pulled model by default")
    parser.add_argument("--cache", type=Path, help="folder of packed weights; a new one by default")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    path = options.model or load_settings().models_dir / _MODEL
    if not path.is_file():
        parser.error(
            f"{path} is not there; run 'cimiento models pull smollm2-135m-instruct' or pass --model"
        )
    plan = QUICK if options.quick else FULL
    with _folder(options.cache) as cache_dir:
        figures = measure(
            path, plan, num_threads=options.threads, data=options.data, cache_dir=cache_dir
        )
    settings = {
        "model": path.parent.name,
        "dtype": str(default_dtype()),
        "prompts": "xquad" if options.data else "own pages",
        "answer_tokens": plan.answer_tokens,
    }
    report(figures, build_manifest("engine", settings), json_path=options.json)


if __name__ == "__main__":
    main()
