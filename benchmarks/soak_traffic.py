"""What a soak sends to the engine: requests of every kind, drawn from a seed. Sends nothing."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import torch
from torch import Tensor

from core.settings import load_settings
from generation.engine.config import ModelConfig
from generation.engine.model import Transformer
from generation.engine.params import SamplingParams
from generation.engine.sequence import Deadlines, Priority, Request, TokenConstraint
from generation.grammar import Grammars
from generation.local_model import load_model

BuildConstraint = Callable[[], TokenConstraint]

MODEL: Final = Path("smollm2-135m-instruct/model.gguf")
_TEXT: Final = Path(__file__).parent.parent / "README.md"
_SCHEMA: Final = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "old": {"type": "boolean"}},
    "required": ["name", "old"],
    "additionalProperties": False,
}
_NUM_STEMS: Final = 8  # beginnings that requests share
_TENANTS: Final = ("north", "south", "east")


@dataclass(frozen=True, slots=True)
class Subject:
    """A model under load, text to ask it about, and grammars to hold it to."""

    model: Transformer
    text: Sequence[int]
    constraints: Sequence[BuildConstraint]
    stop_ids: frozenset[int] = frozenset()


def load_subject(path: Path | None, cache_dir: Path) -> Subject:
    """The real model, run as the service does. Raises FileNotFoundError where it is not pulled."""
    loaded = load_model(path or load_settings().models_dir / MODEL, cache_dir=cache_dir)
    grammars = Grammars(loaded.tokenizer, vocab_size=loaded.config.vocab_size)
    return Subject(
        loaded.model,
        loaded.tokenizer.encode(_TEXT.read_text(encoding="utf-8")),
        (grammars.json_schema(_SCHEMA), grammars.regex(r"[A-Z][a-z]{2,9}"), grammars.json_object()),
        loaded.tokenizer.stop_ids,
    )


def build_tiny_subject() -> Subject:
    """A random model that needs no file and computes little: the engine around it is what works."""
    config = ModelConfig(
        vocab_size=256,
        d_model=32,
        num_layers=2,
        num_heads=2,
        num_kv_heads=1,
        head_dim=16,
        d_ff=64,
        norm_eps=1e-5,
        max_positions=1024,
        tie_embeddings=True,
    )
    model = Transformer(config).eval().requires_grad_(requires_grad=False)
    model.init_weights(seed=0, std=0.3)
    text = list(_TEXT.read_bytes())
    return Subject(model, text, (lambda: Ladder(config.vocab_size),), frozenset({0}))


class Ladder:
    """A constraint without a grammar: a choice of ten tokens and a forced one by turns, 12 long."""

    def __init__(self, vocab_size: int) -> None:
        self._vocab_size = vocab_size
        self._num_taken = 0

    def forced(self) -> list[int]:
        return [self._num_taken] if self._num_taken % 2 and not self.is_finished else []

    def mask(self) -> Tensor:
        allowed = torch.zeros(self._vocab_size, dtype=torch.bool)
        allowed[40:50] = True
        return allowed

    def advance(self, token: int) -> None:
        del token  # which of them it was does not matter
        self._num_taken += 1

    @property
    def is_finished(self) -> bool:
        return self._num_taken >= 12


@dataclass(slots=True)
class Traffic:
    """Endless requests, each with the seconds after which its caller gives up, if ever.

    pace_s: how long a request takes, about; callers lose patience and deadlines pass around then.
    """

    subject: Subject
    longest: int  # tokens of a prompt
    pace_s: float
    draw: Random

    def __iter__(self) -> Iterator[tuple[Request, float | None]]:
        draw = self.draw
        stems = [self._cut(draw.randint(8, self.longest // 2)) for _ in range(_NUM_STEMS)]
        while True:
            prompt = [*draw.choice(stems), *self._cut(draw.randint(1, self.longest // 2))]
            patience_s = draw.expovariate(1 / self.pace_s) if draw.random() < 0.2 else None
            yield self._ask(prompt), patience_s

    def _cut(self, num_tokens: int) -> list[int]:
        text = self.subject.text
        start = self.draw.randrange(max(1, len(text) - num_tokens))
        return list(text[start : start + num_tokens])

    def _ask(self, prompt: list[int]) -> Request:
        draw = self.draw
        is_scored = draw.random() < 0.1 and len(prompt) > 1
        is_held = draw.random() < 0.1 and not is_scored
        return Request(
            prompt_ids=tuple(prompt),
            params=self._options(),
            num_samples=1 if is_scored else draw.choices((1, 2, 4), (8, 1, 1))[0],
            priority=draw.choice(list(Priority)),
            tenant=draw.choice(_TENANTS),
            deadlines=self._deadlines(),
            build_constraint=draw.choice(self.subject.constraints) if is_held else None,
            score_from=draw.randint(1, len(prompt) - 1) if is_scored else None,
            submitted_at=time.monotonic(),
        )

    def _options(self) -> SamplingParams:
        draw = self.draw
        drawn = draw.random() < 0.6
        return SamplingParams(
            temperature=draw.choice((0.3, 0.8, 1.2)) if drawn else 0.0,
            top_p=draw.choice((1.0, 0.9)),
            top_k=draw.choice((None, None, 40)),
            repetition_penalty=draw.choice((1.0, 1.0, 1.2)),
            num_logprobs=draw.choice((None, None, None, 5)),
            seed=draw.randrange(1 << 30),
            max_tokens=min(self.longest // 2, 1 + int(draw.expovariate(1 / 30))),
            stop_ids=self.subject.stop_ids,
        )

    def _deadlines(self) -> Deadlines:
        draw = self.draw
        if draw.random() < 0.7:
            return Deadlines()
        limits = [pace and pace * self.pace_s for pace in draw.choices((None, 0.3, 1.0, 4.0), k=3)]
        return Deadlines(queue_s=limits[0], first_token_s=limits[1], total_s=limits[2])
