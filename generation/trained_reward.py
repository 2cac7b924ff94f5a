"""The reward that `cimiento train reward` made, judging drafts of an answer. Trains nothing."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from core.compute_thread import ComputeThread
from core.types import Passage
from generation.engine.adapters import Adapter, merge_adapter
from generation.engine.errors import EngineError, WeightsFileError
from generation.errors import ModelUnusableError
from generation.evidence import Evidence
from generation.language import question_language
from generation.local_model import hash_files, load_model
from generation.prompts import PromptNotFoundError, PromptTemplate, load_prompt
from generation.reward import Candidate, Judgement
from generation.tokenizer import Tokenizer
from generation.training.pairs.encoding import Replies, encode_replies
from generation.training.pairs.reward_model import RewardModel, load_reward_file
from generation.training.reader.branches import pack_groups

_PART: Final = "trained"


@dataclass(frozen=True, slots=True)
class _Loaded:
    model: RewardModel
    tokenizer: Tokenizer
    max_positions: int


class TrainedReward:
    """Judges as held-out pairs were judged in training. Thread-safe.

    The weights are loaded at the first use, or when `load` is called: the base once more, beside
    the model that answers, in float32.
    """

    def __init__(self, path: Path, base: Path, *, num_threads: int | None) -> None:
        """`base`: the file or folder of the model that the reward was trained on.

        Raises ModelUnusableError where `path` is no reward, or where its prompt is unknown.
        """
        try:
            self._adapter, self._head = load_reward_file(path)
            self._template: PromptTemplate = load_prompt(self._adapter.prompt)
        except (WeightsFileError, PromptNotFoundError) as error:
            raise ModelUnusableError(str(error)) from error
        self._path, self._base = path, base
        self._name = f"{path.stem}@{hash_files([path])[:12]}"
        self._thread = ComputeThread("reward", num_threads=num_threads)
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None

    @property
    def name(self) -> str:
        """The file's name, and the hash of what is in it."""
        return self._name

    def load(self) -> None:
        """Load the weights now. Raises ModelUnusableError for a base that is another's."""
        self._get()

    def judge(
        self, question: str, candidates: Sequence[Candidate], spans: Sequence[Evidence]
    ) -> list[Judgement]:
        """The reward of each candidate, as a number from 0 to 1 that keeps their order.

        What is judged is what would be shown; of a draft that does not stand, what it says.
        """
        loaded = self._get()
        texts = [each.shown or each.answer for each in candidates]
        replies = self._encode(loaded, question, texts, [span.passage for span in spans])
        rewards = self._thread.run(lambda: _compute(loaded.model, replies))
        shares = torch.sigmoid(rewards.double()).tolist()
        return [Judgement(share, {_PART: share}) for share in shares]

    def _encode(
        self, loaded: _Loaded, question: str, texts: Sequence[str], passages: Sequence[Passage]
    ) -> Replies:
        """The prompt with as many of the passages as fit, the best first."""
        known = list({passage.id: passage for passage in passages}.values())
        language = question_language(question)
        for num_passages in range(len(known), 0, -1):
            messages = self._template.render(question, known[:num_passages], language)
            replies = encode_replies(loaded.tokenizer, messages, texts)
            if replies.size <= loaded.max_positions:
                return replies
        messages = self._template.render(question, [], language)
        return encode_replies(loaded.tokenizer, messages, texts)

    def _get(self) -> _Loaded:
        with self._lock:
            if self._loaded is None:
                self._loaded = self._thread.run(self._read)
            return self._loaded

    def _read(self) -> _Loaded:
        try:
            base = load_model(self._base, precision="float32")
            if base.sha256 != self._adapter.base_sha256:
                raise ModelUnusableError(
                    f"{self._path} was trained on other weights than {self._base.name} (SHA-256 "
                    f"{self._adapter.base_sha256[:12]}, not {base.sha256[:12]}); take the reward "
                    "of the model that answers"
                )
            _merge(self._adapter, base.model)
        except (FileNotFoundError, EngineError) as error:
            raise ModelUnusableError(str(error)) from error
        model = RewardModel(base.model, self._head).requires_grad_(requires_grad=False)
        return _Loaded(model, base.tokenizer, base.config.max_positions)


@torch.inference_mode()
def _compute(model: RewardModel, replies: Replies) -> Tensor:
    rewards: Tensor = model(pack_groups([replies.group()]))
    return rewards


@torch.no_grad()
def _merge(adapter: Adapter, model: torch.nn.Module) -> None:
    weights = dict(model.named_parameters())
    for name, weight in merge_adapter(adapter, weights).items():
        if name in adapter.factors:
            weights[name].copy_(weight)
