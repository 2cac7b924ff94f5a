"""Everything a pre-training run needs, made from its options: nothing has been learnt yet."""

from dataclasses import dataclass
from typing import Final

from tokenizers import Tokenizer

from generation.engine.model import Transformer
from generation.training.corpus import CorpusCounts, iterate_texts
from generation.training.hardware import choose_device, choose_dtype, choose_pass_tokens
from generation.training.held_out import Validation, split_documents
from generation.training.loop import plan_steps
from generation.training.messages import Report
from generation.training.options import BaseOptions
from generation.training.packing import PackedBatch, Windows, WindowStream, cut_windows
from generation.training.running import Folder, Measured, Work
from generation.training.tokens import (
    TokenStore,
    finish_tokens,
    has_tokens,
    load_tokens,
    write_tokens,
)
from generation.training.trainer import (
    OptimizerSettings,
    Trainer,
    init_weights,
    next_token_loss,
)
from generation.training.vocabulary import load_tokenizer

NUM_VALIDATIONS: Final = 10  # over a run, on a sample; at its end one over all that is held back


@dataclass(slots=True, kw_only=True)
class Pretraining(Work[Transformer, PackedBatch]):
    """One run over a folder of text."""

    options: BaseOptions
    store: TokenStore
    validation: Validation
    windows: Windows

    def validate(self) -> Measured:
        return Measured(self.trainer.mean_loss(self.validation.sample()))


def prepare(options: BaseOptions, folder: Folder, report: Report) -> Pretraining:
    """Read and encode the folder of text, unless an earlier run has; draw the first weights."""
    device = choose_device(options.device)
    dtype = choose_dtype(options.dtype, device)
    tokenizer = load_tokenizer(options.tokenizer)
    config = options.build_config(tokenizer.get_vocab_size())

    store = _find_or_make_tokens(options, folder, tokenizer)
    for note in store.notes:
        report(note)
    learned, held_out = split_documents(store, seed=options.seed, held_out_share=options.held_out)
    pass_tokens = choose_pass_tokens(
        options.pass_tokens,
        device,
        batch_tokens=options.batch_tokens,
        context=options.context,
        vocab_size=config.vocab_size,
    )
    windows = cut_windows(store, learned, context=options.context)
    validation = Validation(store, held_out, context=options.context, pass_tokens=pass_tokens)
    model = Transformer(config)
    init_weights(model, seed=options.seed)  # before it moves: every device gets the same weights
    model.to(device)
    report(
        f"{sum(p.numel() for p in model.parameters()):,} parameters, "
        f"{windows.num_targets:,} tokens to learn from, {validation.num_targets:,} held back; "
        f"{device.type}, {str(dtype).removeprefix('torch.')}"
    )
    return Pretraining(
        options=options,
        folder=folder,
        store=store,
        validation=validation,
        trainer=Trainer(
            model,
            next_token_loss,
            settings=OptimizerSettings(weight_decay=options.weight_decay),
            dtype=dtype,
        ),
        windows=windows,
        stream=WindowStream(
            store.ids,
            windows,
            batch_tokens=options.batch_tokens,
            pass_tokens=pass_tokens,
            seed=options.seed,
        ),
        plan=plan_steps(options, usual_steps=-(-windows.num_targets // options.batch_tokens)),
        device=device,
        dtype=dtype,
        num_validations=NUM_VALIDATIONS,
    )


def _find_or_make_tokens(options: BaseOptions, folder: Folder, tokenizer: Tokenizer) -> TokenStore:
    if options.resume and has_tokens(folder.tokens):
        return load_tokens(folder.tokens, tokenizer)
    counts = CorpusCounts()
    texts = iterate_texts(options.data, counts, min_chars=options.min_chars)
    write_tokens(texts, tokenizer, folder.tokens)
    finish_tokens(folder.tokens, tokenizer, counts.lines())
    return load_tokens(folder.tokens, tokenizer)
