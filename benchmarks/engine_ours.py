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
        self.engine = Engine(load_model(path, cache_dir=cache_dir).model, settings)
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

    def throughput(self, prompts: Sequence[Sequence[int]], num_tokens: int) -> float:
        """Tokens a second while all of them write, past their prompts, without guessing."""
        params = SamplingParams(max_tokens=num_tokens, lookup=False)
        for prompt in prompts:  # they become known: what is measured is the writing
            self.answer(prompt, 1, warm=True)
        streams = [self.engine.generate(prompt, params, tenant="warm") for prompt in prompts]
        for stream in streams:
            next(stream)
        started, before = time.perf_counter(), self.engine.stats().num_generated_tokens
        sum(1 for _ in streams[0])
        after, ended = self.engine.stats().num_generated_tokens, time.perf_counter()
        for stream in streams:
            sum(1 for _ in stream)
        return (after - before) / (ended - started)

    def guesses(self) -> dict[str, float]:
        """How many guesses were right, and what that made of a step."""
        stats = self.engine.stats()
        return {
            "guesses_right_share": stats.num_accepted / max(1, stats.num_guessed),
            "tokens_a_step": stats.num_generated_tokens / max(1, stats.num_steps),
        }
