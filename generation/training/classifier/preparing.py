"""Everything a run of a classifier needs, made from its options: nothing has been learnt yet."""

from dataclasses import dataclass

import torch

from core.embedding import Embedder
from generation.training.classifier.embedding import LabelledVectors, find_or_embed
from generation.training.classifier.head import (
    Head,
    VectorBatch,
    VectorStream,
    weigh_labels,
    weighted_loss,
)
from generation.training.classifier.judging import Judged, Numbers, Scores, judge_scores
from generation.training.classifier.options import ClassifierOptions
from generation.training.loop import plan_steps
from generation.training.messages import Report
from generation.training.running import Folder, Measured, Work
from generation.training.trainer import OptimizerSettings, Trainer


@dataclass(slots=True, kw_only=True)
class ClassifierTraining(Work[Head, VectorBatch]):
    """One run over labelled texts."""

    options: ClassifierOptions
    data: LabelledVectors

    @property
    def judged_targets(self) -> Numbers:
        """The labels of the held-out texts, by number."""
        return self.data.targets[self.data.is_judged]

    @torch.no_grad()
    def score(self) -> Scores:
        """The scores of the held-out texts, (N, L)."""
        vectors = torch.from_numpy(self.data.vectors[self.data.is_judged])
        scores: Scores = self.trainer.model(vectors).double().numpy()
        return scores

    def judge(self) -> Judged:
        """All held-out texts."""
        return judge_scores(self.score(), self.judged_targets, seed=self.options.seed)

    def validate(self) -> Measured:
        return self.judge().measured


def prepare(
    options: ClassifierOptions, embedder: Embedder, folder: Folder, report: Report
) -> ClassifierTraining:
    """Read and embed the texts, unless an earlier run has; draw the first weights."""
    data = find_or_embed(options, embedder, folder.tokens, report)
    vectors, targets = data.vectors[~data.is_judged], data.targets[~data.is_judged]
    num_labels, size = len(data.facts.labels), min(options.batch_texts, len(targets))
    head = Head(vectors, num_labels, hidden=options.hidden, seed=options.seed)
    report(f"{sum(p.numel() for p in head.parameters()):,} numbers learn, for {num_labels} labels")
    return ClassifierTraining(
        options=options,
        folder=folder,
        data=data,
        trainer=Trainer(
            head,
            weighted_loss(weigh_labels(targets, num_labels)),
            settings=OptimizerSettings(weight_decay=options.weight_decay, beta2=0.999),
        ),
        stream=VectorStream(vectors, targets, batch_texts=options.batch_texts, seed=options.seed),
        plan=plan_steps(options, usual_steps=round(options.rounds * len(targets) / size)),
        device=torch.device("cpu"),
        dtype=torch.float32,
        num_validations=options.validations,
        unit="texts",
        chooses_best=True,
        patience=options.patience,
    )
