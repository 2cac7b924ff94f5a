"""Everything a run on pairs needs, made from its options: nothing has been learnt yet."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic

import torch

from generation.engine.adapters import Adapter, load_adapter, stack_adapters
from generation.engine.errors import WeightsFileError
from generation.engine.model import Transformer
from generation.training.errors import OptionError
from generation.training.hardware import choose_device, choose_dtype
from generation.training.lora import add_lora, build_adapter
from generation.training.messages import Report
from generation.training.pairs.batches import PairBatch, PairStream, pair_batches
from generation.training.pairs.encoding import encode_pairs
from generation.training.pairs.judging import Judged, M, Margins, judge_pairs, pair_loss
from generation.training.pairs.options import PairOptions
from generation.training.reader.branches import GroupStream
from generation.training.reader.groups import Encoded
from generation.training.reader.preparing import find_or_encode
from generation.training.running import Folder, Measured, Work
from generation.training.trainer import OptimizerSettings, Trainer
from generation.training.tuning import fit_pass, keep_less, load_base, plan_run


@dataclass(frozen=True, slots=True)
class Task(Generic[M]):
    """What tells one training on pairs from another.

    build: what learns, around a model whose low-rank paths learn. serialise: the file that is
    served, of what `build` gave and of what the paths learnt.
    """

    command: str
    result: str
    purpose: str
    build: Callable[[Transformer], M]
    margins: Margins[M]
    serialise: Callable[[M, Adapter], bytes]


@dataclass(slots=True, kw_only=True)
class PairTraining(Work[M, PairBatch]):
    """One run over pairs. `begun_from`: the adapter that is merged into the base."""

    options: PairOptions
    task: Task[M]
    encoded: Encoded
    transformer: Transformer
    base_sha256: str
    begun_from: Adapter | None
    pass_tokens: int

    def judge(self) -> Judged:
        """All held-out pairs."""
        batches = pair_batches(self.encoded.judged, pass_tokens=self.pass_tokens)
        return judge_pairs(self.trainer, self.task.margins, batches)

    def validate(self) -> Measured:
        return self.judge().measured

    def build_adapter(self) -> Adapter:
        """All that is to be added to the base: what the run began from, and what it learnt."""
        learnt = build_adapter(
            self.transformer,
            base_sha256=self.base_sha256,
            prompt=self.encoded.facts.prompt,
            dtype=torch.bfloat16,
        )
        return learnt if self.begun_from is None else stack_adapters(self.begun_from, learnt)


def prepare(options: PairOptions, task: Task[M], folder: Folder, report: Report) -> PairTraining[M]:
    """Read the base model and the pairs, unless an earlier run has encoded them."""
    device = choose_device(options.device)
    dtype = choose_dtype(options.dtype, device)
    begun_from = _load_beginning(options)
    loaded = load_base(options, adapter=options.adapter)
    encode = partial(encode_pairs, options)
    encoded = find_or_encode(folder, loaded.tokenizer, encode, report)
    if begun_from is not None and begun_from.prompt != encoded.facts.prompt:
        raise OptionError(
            f"--adapter: it learnt with the prompt {begun_from.prompt}, and --prompt is "
            f"{encoded.facts.prompt}; take the same"
        )
    transformer = loaded.model.to(device)
    add_lora(transformer, rank=options.rank, alpha=options.alpha, seed=options.seed, dtype=dtype)
    if options.recompute:
        keep_less(transformer)
    model = task.build(transformer).to(device)
    pass_tokens = fit_pass(loaded.config, options, device)
    num_tokens = sum(group.num_tokens for group in encoded.learnt)
    num_learning = sum(p.numel() for p in model.parameters() if p.requires_grad)
    report(
        f"{num_learning:,} numbers learn; {num_tokens:,} tokens a round; {device.type}, "
        f"{str(dtype).removeprefix('torch.')}, passes of {pass_tokens:,} tokens"
    )
    return PairTraining(
        options=options,
        folder=folder,
        task=task,
        encoded=encoded,
        transformer=transformer,
        base_sha256=loaded.sha256 if begun_from is None else begun_from.base_sha256,
        begun_from=begun_from,
        pass_tokens=pass_tokens,
        trainer=Trainer(
            model,
            pair_loss(task.margins),
            settings=OptimizerSettings(weight_decay=options.weight_decay, beta2=0.999),
            dtype=dtype,
        ),
        stream=PairStream(
            GroupStream(
                encoded.learnt,
                batch_tokens=options.batch_tokens,
                pass_tokens=pass_tokens,
                seed=options.seed,
            )
        ),
        plan=plan_run(options, num_tokens=num_tokens),
        device=device,
        dtype=dtype,
        num_validations=options.validations,
        unit="pairs",
        chooses_best=True,
        patience=options.patience,
    )


def _load_beginning(options: PairOptions) -> Adapter | None:
    if options.adapter is None:
        return None
    try:
        return load_adapter(options.adapter)
    except WeightsFileError as error:
        raise OptionError(f"--adapter: {error}") from error
