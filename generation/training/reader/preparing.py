"""Everything a run needs, made from its options: nothing has been learnt yet."""

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import torch
from torch.utils.checkpoint import checkpoint

from generation.engine.adapters import load_adapter
from generation.engine.config import ModelConfig
from generation.engine.errors import EngineError, WeightsFileError
from generation.engine.model import Transformer
from generation.local_model import LoadedModel, load_model
from generation.tokenizer import Tokenizer
from generation.training.errors import DataError, OptionError
from generation.training.hardware import choose_device, choose_dtype
from generation.training.loop import Plan
from generation.training.lora import add_lora, load_factors
from generation.training.messages import Report
from generation.training.reader.branches import BranchedBatch, GroupStream, pack_in_passes
from generation.training.reader.groups import Encoded, has_encoded, load_encoded, save_encoded
from generation.training.reader.judging import Judged, judge
from generation.training.reader.options import ReaderOptions
from generation.training.running import Folder, Measured, Work
from generation.training.trainer import OptimizerSettings, Trainer, next_token_loss

# of what a pass keeps for its way back; the rest is for weights and whoever else is there
_PASS_BYTES: Final = 3 << 30
_CARD_SHARE: Final = 0.5


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
    loaded = load_base(options)
    encoded = find_or_encode(options, folder, loaded.tokenizer, report)
    model = loaded.model.to(device)
    _choose_what_learns(model, options, dtype)
    if options.adapter is not None:
        _begin_from(model, options.adapter, base_sha256=loaded.sha256)
    pass_tokens = options.pass_tokens or _fit_pass(loaded.config, options, device)
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
            next_token_loss,
            settings=OptimizerSettings(weight_decay=options.weight_decay, beta2=0.999),
            dtype=dtype,
        ),
        stream=GroupStream(
            encoded.learnt,
            batch_tokens=options.batch_tokens,
            pass_tokens=pass_tokens,
            seed=options.seed,
        ),
        plan=_plan(options, num_tokens=num_tokens),
        device=device,
        dtype=dtype,
        num_validations=options.validations,
        chooses_best=True,
        patience=options.patience,
    )


def load_base(options: ReaderOptions) -> LoadedModel:
    """The model that learns, in float32. Raises OptionError for one that cannot."""
    try:
        loaded = load_model(options.base, precision="float32")
    except (FileNotFoundError, EngineError) as error:
        raise OptionError(f"--base: {error}") from error
    if not loaded.tokenizer.has_template:
        raise OptionError(
            f"--base: {options.base} has no chat template: the service could not ask it; "
            "take a chat model"
        )
    if options.method == "full" and (
        not options.base.is_dir() or loaded.config.architecture != "llama"
    ):
        raise OptionError(
            "--method: full writes a checkpoint folder of the Llama family, and needs one as its "
            "--base; use --method lora for anything else"
        )
    if options.window > loaded.config.max_positions:
        raise OptionError(
            f"--window: the model reads {loaded.config.max_positions} tokens, not {options.window}"
        )
    return loaded


def find_or_encode(
    options: ReaderOptions, folder: Folder, tokenizer: Tokenizer, report: Report
) -> Encoded:
    """What an earlier run encoded, or the examples encoded now. Raises DataError."""
    digest = hash_tokenizer(tokenizer)
    if has_encoded(folder.tokens):
        encoded = load_encoded(folder.tokens)
        if encoded.facts.tokenizer_sha256 != digest:
            raise DataError(
                f"{folder.tokens} was encoded for another model than --base names; give that one, "
                "or remove the folder"
            )
    else:
        # brings langchain-core in, which a bare machine that goes on from here need not have
        from generation.training.reader.encoding import encode_file  # noqa: PLC0415

        encoded = encode_file(options, tokenizer, tokenizer_sha256=digest)
        save_encoded(folder.tokens, encoded)
    for note in encoded.facts.notes:
        report(note)
    return encoded


def hash_tokenizer(tokenizer: Tokenizer) -> str:
    """Tells two vocabularies apart: ids of one mean nothing to the other."""
    digest = hashlib.sha256()
    for token_id in range(tokenizer.vocab_size):
        spelt = tokenizer.token_bytes(token_id)
        digest.update(len(spelt).to_bytes(4, "little") + spelt)
    digest.update(repr(sorted(tokenizer.control_tokens.items())).encode())
    return digest.hexdigest()


def _choose_what_learns(model: Transformer, options: ReaderOptions, dtype: torch.dtype) -> None:
    if options.method == "lora":
        add_lora(model, rank=options.rank, alpha=options.alpha, seed=options.seed, dtype=dtype)
    else:
        model.requires_grad_(requires_grad=True)
    if options.recompute:
        for block in model.blocks:
            block.forward = partial(checkpoint, block.forward, use_reentrant=False)


def _begin_from(model: Transformer, path: Path, *, base_sha256: str) -> None:
    """Raises OptionError for an adapter that does not fit what learns."""
    try:
        adapter = load_adapter(path)
        load_factors(model, adapter)
    except WeightsFileError as error:
        raise OptionError(f"--adapter: {error}") from error
    if adapter.base_sha256 != base_sha256:
        raise OptionError(f"--adapter: {path} was trained on other weights than --base names")


def _fit_pass(config: ModelConfig, options: ReaderOptions, device: torch.device) -> int:
    """Tokens of one pass: no more than memory leaves room for on the way back."""
    room = float(_PASS_BYTES)
    if device.type == "cuda":
        room = torch.cuda.get_device_properties(device).total_memory * _CARD_SHARE
    # counted on Llama's block: what each product and each gate keeps of a token, in float32
    kept = config.num_layers * (24 * config.d_model + 8 * config.d_ff) * 4
    if options.recompute:
        kept = kept // config.num_layers + config.num_layers * config.d_model * 4
    return min(options.batch_tokens, max(options.window, int(room / kept)))


def _plan(options: ReaderOptions, *, num_tokens: int) -> Plan:
    max_steps = options.steps
    if max_steps is None and options.minutes is None:
        max_steps = max(1, round(options.rounds * num_tokens / options.batch_tokens))
    return Plan(
        max_steps=max_steps,
        max_s=None if options.minutes is None else options.minutes * 60,
        peak_learning_rate=options.lr,
        warmup_steps=options.warmup,
    )
