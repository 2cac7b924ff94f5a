"""Fine-tune a model for reading, and write an adapter or a model folder with its cards.

The story of `teach`: examples become tokens once; the untrained model is judged; steps follow one
another; the development set chooses the best weights, and ends a run that gains nothing more. Run
it as `python -m generation.training.reader.finetuning --help`.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Final

import torch

from core.durable import replace_file, replace_text
from generation.engine.adapters import serialise_adapter
from generation.training.export import export_model
from generation.training.lora import build_adapter
from generation.training.messages import Report, print_line, run_command
from generation.training.reader.cards import METRIC, Outcome, write_reader_cards
from generation.training.reader.judging import Judged
from generation.training.reader.options import ReaderOptions, parse_options
from generation.training.reader.preparing import (
    FineTuning,
    encode_examples,
    find_or_encode,
    load_learner,
    prepare,
)
from generation.training.running import (
    Folder,
    Watch,
    claim_folder,
    ignore,
    learn,
)
from generation.training.tuning_card import write_curves

ADAPTER: Final = "adapter.safetensors"
_RESULTS: Final = {"lora": ADAPTER, "full": "model.safetensors"}


def teach(options: ReaderOptions, *, report: Report, watch: Watch = ignore) -> Outcome | None:
    """Train, or go on training, and write what was learnt to `options.out`.

    None where the examples were only to be encoded. Raises OptionError, DataError, CheckpointError
    or DivergedError; what was saved before stays.
    """
    folder = Folder(options.out)
    claim_folder(folder, result=_RESULTS[options.method], resume=options.resume)
    if options.encode_only:
        encode = partial(encode_examples, options)
        find_or_encode(folder, load_learner(options).tokenizer, encode, report)
        report(f"encoded into {folder.tokens}; go on with --resume")
        return None
    work = prepare(options, folder, report)
    before = _judge_untrained(work)
    report(f"before: {before}")
    ending = learn(work, report, watch)
    outcome = Outcome(ending, work.run, work.best, before, work.judge())
    _write(work, outcome)
    report(f"after:  {outcome.after}")
    report(f"wrote {folder.root} after {work.run.step:,} steps; best at step {work.best.step:,}")
    return outcome


def _judge_untrained(work: FineTuning) -> Judged:
    """Once: a resumed run no longer has the untrained weights."""
    path = work.folder.state / "untrained.json"
    if work.options.resume and path.exists():
        return Judged(**json.loads(path.read_text(encoding="utf-8")))
    judged = work.judge()
    replace_text(path, json.dumps(asdict(judged)) + "\n")
    return judged


def _write(work: FineTuning, outcome: Outcome) -> None:
    """Curves, cards, and last the weights."""
    write_curves(work.folder, unit="token", metric=METRIC)
    write_reader_cards(work, outcome)
    root, model = work.folder.root, work.trainer.model
    if work.options.method == "full":
        export_model(model, work.options.base, root, dtype=torch.float32)
        return
    adapter = build_adapter(
        model,
        base_sha256=work.base_sha256,
        prompt=work.encoded.facts.prompt,
        dtype=torch.bfloat16,
    )
    replace_file(root / ADAPTER, lambda stream: stream.write(serialise_adapter(adapter)))


def main(arguments: Sequence[str] | None = None, *, program: str | None = None) -> int:
    """Parse, train, and return the exit code: 0 done, 1 failed, 2 wrong option."""
    return run_command(lambda: teach(parse_options(arguments, program=program), report=print_line))


if __name__ == "__main__":
    sys.exit(main())
