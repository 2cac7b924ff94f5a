"""Questions with their passages and hard negatives as batches, and the loss over them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from generation.training.embedder.encoder import EncoderModel, Texts, TextTokenizer
from generation.training.embedder.examples import Asked, Corpus
from generation.training.packing import ShuffledStream


@dataclass(frozen=True, slots=True)
class QuestionBatch:
    """B questions and P passages. targets (B,): the right one; banned (B, P): not to be told from
    it, because they hold the answer too.
    """

    questions: Texts
    passages: Texts
    targets: Tensor
    banned: Tensor

    @property
    def num_targets(self) -> int:
        return len(self.targets)

    def to(self, device: torch.device) -> "QuestionBatch":
        return QuestionBatch(
            self.questions.to(device),
            self.passages.to(device),
            self.targets.to(device),
            self.banned.to(device),
        )


def contrastive_loss(temperature: float) -> Callable[[EncoderModel, QuestionBatch], Tensor]:
    """The summed cross entropies of choosing the right passage among those of the whole batch.

    InfoNCE (van den Oord et al. 2018), over in-batch and hard negatives as Karpukhin et al. 2020.
    """

    def loss_of(model: EncoderModel, batch: QuestionBatch) -> Tensor:
        similarities = model(batch.questions) @ model(batch.passages).T  # (B, P)
        scores = (similarities.float() / temperature).masked_fill(batch.banned, -torch.inf)
        return F.cross_entropy(scores, batch.targets, reduction="sum")

    return loss_of


class QuestionStream(ShuffledStream):
    """Questions without end, shuffled anew every round, one batch a step."""

    def __init__(
        self,
        corpus: Corpus,
        negatives: Sequence[Sequence[int]],
        tokenizer: TextTokenizer,
        *,
        batch_questions: int,
        seed: int,
    ) -> None:
        """negatives: of each question that is learnt from, places of passages that mislead."""
        super().__init__(len(corpus.learnt), seed=seed)
        self._corpus, self._negatives, self._tokenizer = corpus, negatives, tokenizer
        self._size = min(batch_questions, len(corpus.learnt))

    def take_step(self) -> list[QuestionBatch]:
        """The batch of one optimizer step."""
        taken = [self._shuffle.take() for _ in range(self._size)]
        asked = [self._corpus.learnt[number] for number in taken]
        golds = [each.gold for each in asked]
        misleading = [place for number in taken for place in self._negatives[number]]
        places = list(dict.fromkeys([*golds, *misleading]))
        return [
            QuestionBatch(
                self._tokenizer.encode([each.question for each in asked]),
                self._tokenizer.encode([self._corpus.passages[place] for place in places]),
                torch.tensor([places.index(gold) for gold in golds]),
                ban_answers(asked, places),
            )
        ]


def ban_answers(asked: Sequence[Asked], places: Sequence[int]) -> Tensor:
    """Which passages hold a question's answer without being its own, (B, P)."""
    return torch.tensor(
        [[place in each.also and place != each.gold for place in places] for each in asked]
    )
