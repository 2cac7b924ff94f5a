"""Everything a run that trains an extractor needs: nothing has been learnt yet."""

from dataclasses import dataclass
from pathlib import Path

from core.errors import EncoderUnsupportedError
from generation.pointing import PairTokenizer
from generation.training.errors import OptionError
from generation.training.extractor.batches import PairBatch, PairStream, pointing_loss
from generation.training.extractor.judging import Judged, judge
from generation.training.extractor.model import ExtractorModel
from generation.training.extractor.options import ExtractorOptions
from generation.training.extractor.pairs import Pairs, read_pairs
from generation.training.hardware import choose_device, choose_dtype
from generation.training.loop import plan_steps
from generation.training.messages import Report
from generation.training.running import Folder, Measured, Work
from generation.training.trainer import OptimizerSettings, Trainer


@dataclass(slots=True, kw_only=True)
class ExtractorTraining(Work[ExtractorModel, PairBatch]):
    """One run over pairs of a question and a passage."""

    options: ExtractorOptions
    base: Path  # folder of the embedding model
    pairs: Pairs

    def judge(self) -> Judged:
        """All pairs that are held back."""
        return judge(
            self.trainer,
            self.pairs.judged,
            pass_tokens=self.options.pass_tokens,
            seed=self.options.seed,
        )

    def validate(self) -> Measured:
        return self.judge().measured


def prepare(
    options: ExtractorOptions, base: Path, folder: Folder, report: Report
) -> ExtractorTraining:
    """Read the examples and the embedding model."""
    device = choose_device(options.device)
    dtype = choose_dtype(options.dtype, device)
    try:
        model = ExtractorModel(base, options, dtype)
    except EncoderUnsupportedError as error:
        raise OptionError(f"the embedding model cannot learn to point: {error}") from error
    longest = model.encoder.config.max_positions
    if options.window > longest:
        raise OptionError(f"--window: the model reads {longest} tokens, not {options.window}")
    pairs = read_pairs(options, PairTokenizer(base, window=options.window))
    for note in pairs.notes:
        report(note)
    model.to(device)
    size = min(options.batch_pairs, len(pairs.learnt))
    return ExtractorTraining(
        options=options,
        base=base,
        folder=folder,
        pairs=pairs,
        trainer=Trainer(
            model,
            pointing_loss,
            settings=OptimizerSettings(weight_decay=options.weight_decay, beta2=0.999),
            dtype=dtype,
        ),
        stream=PairStream(
            pairs.learnt,
            batch_pairs=size,
            pass_tokens=options.pass_tokens,
            seed=options.seed,
        ),
        plan=plan_steps(options, usual_steps=round(options.rounds * len(pairs.learnt) / size)),
        device=device,
        dtype=dtype,
        num_validations=options.validations,
        unit="pairs",
        chooses_best=True,
        patience=options.patience,
    )
