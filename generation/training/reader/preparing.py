"""Everything a run needs, made from its options: nothing has been learnt yet."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from generation.engine.adapters import load_adapter
from generation.engine.errors import WeightsFileError
from generation.engine.model import Transformer
from generation.local_model import LoadedModel
from generation.tokenizer import Tokenizer
from generation.training.errors import DataError, OptionError
from generation.training.hardware import choose_device, choose_dtype
from generation.training.lora import add_lora, load_factors
from generation.training.messages import Report
from generation.training.reader.branches import BranchedBatch, GroupStream, pack_in_passes
from generation.training.reader.groups import Encoded, has_encoded, load_encoded, save_encoded
from generation.training.reader.judging import Judged, judge
from generation.training.reader.options import ReaderOptions
from generation.training.reader.rehearsing import RehearsingStream, reading_loss
from generation.training.running import Folder, Measured, Work
from generation.training.trainer import OptimizerSettings, Trainer
from generation.training.tuning import fit_pass, hash_tokenizer, keep_less, load_base, plan_run

Encode = Callable[[Tokenizer, str], Encoded]


@dataclass(slots=True, kw_only=True)
class FineTuning(Work[Transformer, BranchedBatch]):
    """One run over examples."""

    options: ReaderOptions
    encoded: Encoded
    base_sha256: str
    pass_tokens: int

    def judge(self) -> Judged:
        """The whole development set."""
        batches = pack_in_passes(self.encoded.judged, pass_tokens=self.pass_tokens)
        return judge(self.trainer, batches)

    def validate(self) -> Measured:
        return self.judge().measured


def prepare(options: ReaderOptions, folder: Folder, report: Report) -> FineTuning:
    """Read the base model and the examples, unless an earlier run has encoded them."""
    device = choose_device(options.device)
    dtype = choose_dtype(options.dtype, device)
    loaded = load_learner(options)
    encode = partial(encode_examples, options)
    encoded = find_or_encode(folder, loaded.tokenizer, encode, report)
    model = loaded.model.to(device)
    _choose_what_learns(model, options, dtype)
    if options.adapter is not None:
        _begin_from(model, options.adapter, base_sha256=loaded.sha256)
    pass_tokens = fit_pass(loaded.config, options, device)
    num_tokens = sum(group.num_tokens for group in encoded.learnt)
    num_learning = sum(p.numel() for p in model.parameters() if p.requires_grad)
    saved = 1 - num_tokens / encoded.facts.num_alone
    report(
        f"{num_learning:,} numbers learn; {num_tokens:,} tokens a round ({saved:.0%} fewer than "
        f"one by one); {device.type}, {str(dtype).removeprefix('torch.')}, passes of "
        f"{pass_tokens:,} tokens"
    )
    return FineTuning(
        options=options,
        folder=folder,
        encoded=encoded,
        base_sha256=loaded.sha256,
        pass_tokens=pass_tokens,
        trainer=Trainer(
            model,
            reading_loss,
            settings=OptimizerSettings(weight_decay=options.weight_decay, beta2=0.999),
            dtype=dtype,
        ),
        stream=_build_stream(encoded, options, pass_tokens=pass_tokens),
        plan=plan_run(options, num_tokens=num_tokens),
        device=device,
        dtype=dtype,
        num_validations=options.validations,
        chooses_best=True,
        patience=options.patience,
    )


def _build_stream(encoded: Encoded, options: ReaderOptions, *, pass_tokens: int) -> GroupStream:
    sizes = {"batch_tokens": options.batch_tokens, "pass_tokens": pass_tokens}
    if not encoded.plain:
        return GroupStream(encoded.learnt, **sizes, seed=options.seed)
    return RehearsingStream(
        encoded.learnt, encoded.plain, weight=options.plain_weight, **sizes, seed=options.seed
    )


def load_learner(options: ReaderOptions) -> LoadedModel:
    """The model that learns. Raises OptionError for one that cannot."""
    loaded = load_base(options)
    if options.method == "full" and (
        not options.base.is_dir() or loaded.config.architecture != "llama"
    ):
        raise OptionError(
            "--method: full writes a checkpoint folder of the Llama family, and needs one as its "
            "--base; use --method lora for anything else"
        )
    return loaded


def encode_examples(options: ReaderOptions, tokenizer: Tokenizer, digest: str) -> Encoded:
    """The examples as tokens. Raises DataError and OptionError."""
    # brings langchain-core in, which a bare machine that goes on from here need not have
    from generation.training.reader.encoding import encode_file  # noqa: PLC0415

    return encode_file(options, tokenizer, tokenizer_sha256=digest)


def find_or_encode(folder: Folder, tokenizer: Tokenizer, encode: Encode, report: Report) -> Encoded:
    """What an earlier run encoded, or what `encode` gives for the tokenizer and its hash.

    Raises DataError, and what `encode` raises.
    """
    digest = hash_tokenizer(tokenizer)
    if has_encoded(folder.tokens):
        encoded = load_encoded(folder.tokens)
        if encoded.facts.tokenizer_sha256 != digest:
            raise DataError(
                f"{folder.tokens} was encoded for another model than --base names; give that one, "
                "or remove the folder"
            )
    else:
        encoded = encode(tokenizer, digest)
        save_encoded(folder.tokens, encoded)
    for note in encoded.facts.notes:
        report(note)
    return encoded


def _choose_what_learns(model: Transformer, options: ReaderOptions, dtype: torch.dtype) -> None:
    if options.method == "lora":
        add_lora(model, rank=options.rank, alpha=options.alpha, seed=options.seed, dtype=dtype)
    else:
        model.requires_grad_(requires_grad=True)
    if options.recompute:
        keep_less(model)


def _begin_from(model: Transformer, path: Path, *, base_sha256: str) -> None:
    """Raises OptionError for an adapter that does not fit what learns."""
    try:
        adapter = load_adapter(path)
        load_factors(model, adapter)
    except WeightsFileError as error:
        raise OptionError(f"--adapter: {error}") from error
    if adapter.base_sha256 != base_sha256:
        raise OptionError(f"--adapter: {path} was trained on other weights than --base names")
