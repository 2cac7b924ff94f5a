"""Our engine as a peer among others. Imports nothing else: its memory is measured through it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from generation.engine.engine import Engine, EngineSettings
from generation.engine.params import SamplingParams
from generation.local_model import load_model


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds from the prompt to the first token and to the last."""

    first_s: float
    total_s: float
    num_tokens: int

    @property
    def decode_tok_s(self) -> float:
        return (self.num_tokens - 1) / (self.total_s - self.first_s)


class Peer(Protocol):
    """Answers a prompt greedily. `warm`: what it kept of earlier prompts may be used."""

    def answer(self, prompt: Sequence[int], num_tokens: int, *, warm: bool) -> Run: ...


class Ours:
    def __init__(self, path: Path, cache_dir: Path, *, num_threads: int, lookup: bool) -> None:
        settings = EngineSettings(max_context=4096, num_threads=num_threads, lookup=lookup)
        self.loaded = load_model(path, cache_dir=cache_dir)
        self.engine = Engine(self.loaded.model, settings)
        self._num_cold = 0

    def answer(self, prompt: Sequence[int], num_tokens: int, *, warm: bool) -> Run:
        # what one tenant has computed no other can find
        self._num_cold += not warm
        tenant = "warm" if warm else f"cold {self._num_cold}"
        started = time.perf_counter()
        tokens = self.engine.generate(prompt, SamplingParams(max_tokens=num_tokens), tenant=tenant)
        next(tokens)
        first_s = time.perf_counter() - started
        count = 1 + sum(1 for _ in tokens)
        return Run(first_s, time.perf_counter() - started, count)
