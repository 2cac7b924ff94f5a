"""Training speed beside transformers + peft: the same examples, weights and steps, in one run.

    python -m benchmarks.reader_speed --base model.gguf [--quick] [--device cuda] [--json FILE]

Tokens are those of the examples one by one, whichever way they are computed. `packed`: ours without
sharing. `shared`: ours as it trains, questions over the same passages together. Theirs pads a batch
to its longest example and sorts by length, as its users do. Rounds alternate, so that a busy
machine slows all alike. Needs peft, which the project does not install: `pip install peft`.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.reference import build_reference
from benchmarks.report import build_manifest, report
from generation.local_model import load_model
from generation.tokenizer import Tokenizer
from generation.training.hardware import choose_device, choose_dtype
from generation.training.lora import add_lora
from generation.training.packing import IGNORED
from generation.training.reader.branches import pack_in_passes
from generation.training.reader.groups import Branch, Group, load_encoded
from generation.training.trainer import OptimizerSettings, Trainer, next_token_loss

_RANK, _ALPHA = 32, 64.0
_LR: Final = 1e-4
_TARGETS: Final = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")

Step = Callable[[], float]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True, help="model that learns")
    parser.add_argument("--encoded", type=Path, help="folder 'training/tokens' of a reader's run")
    parser.add_argument("--groups", type=int, default=16, help="passages of one step")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--pass-tokens", type=int, default=1024)
    parser.add_argument("--quick", action="store_true", help="few passages, two rounds")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    device = choose_device(options.device)
    dtype = choose_dtype("auto", device)
    num_groups, rounds = (4, 2) if options.quick else (options.groups, options.rounds)
    groups = _choose(options.encoded, options.base, num_groups)
    lone = [Group(g.shared, (branch,)) for g in groups for branch in g.branches]
    num_tokens = sum(group.num_tokens for group in lone)
    steps: dict[str, Step] = {
        "packed": _ours(options.base, lone, device, dtype, options.pass_tokens),
        "shared": _ours(options.base, groups, device, dtype, options.pass_tokens),
        "peft": _theirs(options.base, lone, device, dtype, options.pass_tokens),
    }
    seconds, losses = _time(steps, rounds, device)
    figures = {f"{name}_tok_s": num_tokens / each for name, each in seconds.items()}
    figures |= {f"{name}_loss": loss for name, loss in losses.items()}
    figures["ratio_packed_vs_peft"] = seconds["peft"] / seconds["packed"]
    figures["ratio_shared_vs_peft"] = seconds["peft"] / seconds["shared"]
    settings: dict[str, str | int | float] = {
        "examples": len(lone),
        "tokens": num_tokens,
        "device": device.type,
        "rank": _RANK,
    }
    report(figures, build_manifest("reader_speed", settings), json_path=options.json)


def _time(
    steps: dict[str, Step], rounds: int, device: torch.device
) -> tuple[dict[str, float], dict[str, float]]:
    """Median seconds of a step, and the first loss: all must begin alike."""
    losses = {name: step() for name, step in steps.items()}  # the first also warms up
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            _wait(device)
            began = time.perf_counter()
            step()
            _wait(device)
            taken[name].append(time.perf_counter() - began)
    return {name: statistics.median(each) for name, each in taken.items()}, losses


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _choose(encoded: Path | None, base: Path, number: int) -> list[Group]:
    """Groups of a run, or questions about this project's own pages."""
    if encoded is not None:
        return load_encoded(encoded).learnt[:number]
    return list(_make_groups(load_model(base, precision="float32").tokenizer, number))


def _make_groups(tokenizer: Tokenizer, number: int) -> Iterator[Group]:
    import numpy as np  # noqa: PLC0415  # with numpy's types only here

    pages = sorted((Path(__file__).parents[1] / "docs").rglob("*.md"))
    texts = [page.read_text(encoding="utf-8") for page in pages]
    for index in range(number):
        text = texts[index % len(texts)][200 * (index // len(texts)) :]
        shared = np.array(tokenizer.encode(text)[: 150 + 23 * (index % 7)], np.int32)
        branches = tuple(
            Branch(np.array(tokenizer.encode(words), np.int32), 4, is_refusal=False)
            for words in ("What does it say of a kill, and when? Nothing.", "Why is it so, who?")
        )
        yield Group(shared, branches)


def _ours(
    base: Path, groups: Sequence[Group], device: torch.device, dtype: torch.dtype, pass_tokens: int
) -> Step:
    model = load_model(base, precision="float32").model.to(device)
    add_lora(model, rank=_RANK, alpha=_ALPHA, seed=0, dtype=dtype)
    trainer = Trainer(model, next_token_loss, settings=OptimizerSettings(), dtype=dtype)
    batches = list(pack_in_passes(groups, pass_tokens=pass_tokens))
    return lambda: trainer.step(batches, learning_rate=_LR).loss


def _theirs(
    base: Path, groups: Sequence[Group], device: torch.device, dtype: torch.dtype, pass_tokens: int
) -> Step:
    try:
        from peft import LoraConfig, get_peft_model  # noqa: PLC0415  # an extra of this benchmark
    except ImportError:
        sys.exit("error: this benchmark compares with peft; pip install peft")
    reference: Any = build_reference(load_model(base, precision="float32").model)
    reference.requires_grad_(requires_grad=False)
    config = LoraConfig(r=_RANK, lora_alpha=_ALPHA, target_modules=list(_TARGETS))
    model: Any = get_peft_model(reference, config).to(device)
    learning = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=_LR, fused=True)
    batches = [
        {name: tensor.to(device) for name, tensor in batch.items()}
        for batch in _pad(groups, pass_tokens)
    ]
    num_targets = sum(int((batch["labels"] != IGNORED).sum()) for batch in batches)
    model.train()

    def step() -> float:
        total = 0.0
        for batch in batches:
            with torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
                out = model(**batch, num_items_in_batch=num_targets)
            out.loss.backward()
            total += out.loss.item()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return total

    return step


def _pad(groups: Sequence[Group], pass_tokens: int) -> Iterator[dict[str, torch.Tensor]]:
    """Examples of like length together, padded to the longest, in passes of the same size."""
    rows = []
    for group in groups:
        (branch,) = group.branches
        ids = [*group.shared.tolist(), *branch.ids.tolist()]
        rows.append((ids, len(ids) - branch.num_reply))
    rows.sort(key=lambda row: len(row[0]), reverse=True)
    while rows:
        width = len(rows[0][0])
        count = max(1, pass_tokens // width)
        taken, rows = rows[:count], rows[count:]
        inputs = torch.zeros(len(taken), width, dtype=torch.long)
        labels = torch.full_like(inputs, IGNORED)
        mask = torch.zeros_like(inputs)
        for place, (tokens, start) in enumerate(taken):
            inputs[place, : len(tokens)] = torch.tensor(tokens)
            labels[place, start : len(tokens)] = torch.tensor(tokens[start:])
            mask[place, : len(tokens)] = 1
        yield {"input_ids": inputs, "labels": labels, "attention_mask": mask}


if __name__ == "__main__":
    main()
