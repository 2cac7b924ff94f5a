"""Everything a run that tunes the embedding model needs: nothing has been learnt yet."""

from dataclasses import dataclass
from pathlib import Path

from core.embedding import EmbedderSpec
from core.errors import EncoderUnsupportedError
from generation.training.embedder.batches import (
    QuestionBatch,
    QuestionStream,
    contrastive_loss,
)
from generation.training.embedder.encoder import EncoderModel, TextTokenizer
from generation.training.embedder.examples import Corpus, read_corpus
from generation.training.embedder.judging import Judged, embed, judge_vectors, mine
from generation.training.embedder.options import EmbedderOptions
from generation.training.errors import OptionError
from generation.training.hardware import choose_device, choose_dtype
from generation.training.loop import plan_steps
from generation.training.messages import Report
from generation.training.running import Folder, Measured, Work
from generation.training.trainer import OptimizerSettings, Trainer


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """The embedding model that is tuned: its folder, and how texts are given to it."""

    folder: Path
    spec: EmbedderSpec


@dataclass(slots=True, kw_only=True)
class EmbedderTraining(Work[EncoderModel, QuestionBatch]):
    """One run over questions and their passages."""

    options: EmbedderOptions
    base: EmbeddingModel
    corpus: Corpus
    tokenizer: TextTokenizer

    def judge(self) -> Judged:
        """All held-out questions, over the whole corpus."""
        asked = self.corpus.judged
        questions = embed(
            self.trainer.model, self.tokenizer, [each.question for each in asked], self.device
        )
        passages = embed(self.trainer.model, self.tokenizer, self.corpus.passages, self.device)
        return judge_vectors(questions, passages, asked, seed=self.options.seed)

    def validate(self) -> Measured:
        return self.judge().measured


def prepare(
    options: EmbedderOptions, base: EmbeddingModel, folder: Folder, report: Report
) -> EmbedderTraining:
    """Read the questions, and find with the model as it is which passages mislead it."""
    device = choose_device(options.device)
    dtype = choose_dtype(options.dtype, device)
    try:
        model = EncoderModel(base.folder)
    except EncoderUnsupportedError as error:
        raise OptionError(f"the embedding model cannot be tuned: {error}") from error
    if options.window > model.config.max_positions:
        raise OptionError(
            f"--window: the model reads {model.config.max_positions} tokens, not {options.window}"
        )
    corpus = read_corpus(
        options.examples, base.spec, held_out_share=options.held_out, seed=options.seed
    )
    for note in corpus.notes:
        report(note)
    model.to(device)
    tokenizer = TextTokenizer(base.folder, window=options.window)
    learnt = corpus.learnt
    report(f"mining {options.negatives} hard negatives for each of {len(learnt):,} questions")
    negatives = mine(
        embed(model, tokenizer, [each.question for each in learnt], device),
        embed(model, tokenizer, corpus.passages, device),
        learnt,
        number=options.negatives,
    )
    size = min(options.batch_questions, len(learnt))
    return EmbedderTraining(
        options=options,
        base=base,
        folder=folder,
        corpus=corpus,
        tokenizer=tokenizer,
        trainer=Trainer(
            model,
            contrastive_loss(options.temperature),
            settings=OptimizerSettings(weight_decay=options.weight_decay, beta2=0.999),
            dtype=dtype,
        ),
        stream=QuestionStream(
            corpus, negatives, tokenizer, batch_questions=size, seed=options.seed
        ),
        plan=plan_steps(options, usual_steps=round(options.rounds * len(learnt) / size)),
        device=device,
        dtype=dtype,
        num_validations=options.validations,
        unit="questions",
        chooses_best=True,
        patience=options.patience,
    )
