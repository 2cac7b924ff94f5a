"""The engines that ours stands beside: llama.cpp on the same file, transformers on its weights."""

import time
from collections.abc import Callable, Sequence
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import torch
from transformers import LlamaForCausalLM

from benchmarks.engine_ours import Peer, Run
from benchmarks.reference import build_reference
from generation.local_model import load_model


class LlamaCpp:
    """As it comes: it keeps the last prompt, and computes what the next does not share with it."""

    def __init__(self, path: Path, *, num_threads: int) -> None:
        # an extra of this benchmark alone: it is compiled when it is installed
        from llama_cpp import Llama  # noqa: PLC0415

        self._model = Llama(
            str(path), n_ctx=4096, n_threads=num_threads, n_threads_batch=num_threads, verbose=False
        )

    def answer(self, prompt: Sequence[int], num_tokens: int, *, warm: bool) -> Run:
        if not warm:
            self._model.reset()
        started = time.perf_counter()
        tokens = self._model.generate(list(prompt), temp=0.0, reset=warm)
        next(tokens)
        first_s = time.perf_counter() - started
        count = 1 + sum(1 for _ in islice(tokens, num_tokens - 1))
        return Run(first_s, time.perf_counter() - started, count)


class Transformers:
    """Its forward pass and its own cache, without the extra cost of its `generate` loop."""

    def __init__(self, path: Path, *, precision: torch.dtype, num_threads: int) -> None:
        torch.set_num_threads(num_threads)
        model = load_model(path, precision="float32").model
        self._model: LlamaForCausalLM = build_reference(model.to(precision))

    @torch.inference_mode()
    def answer(self, prompt: Sequence[int], num_tokens: int, *, warm: bool) -> Run:
        assert not warm
        started = time.perf_counter()
        output = self._model(torch.tensor([prompt]), use_cache=True, logits_to_keep=1)
        first_s = time.perf_counter() - started
        for _ in range(num_tokens - 1):
            chosen = output.logits[0, -1].argmax().view(1, 1)
            output = self._model(chosen, past_key_values=output.past_key_values, use_cache=True)
        return Run(first_s, time.perf_counter() - started, num_tokens)


class Apart:
    """A peer in a process of its own, where nothing else computes.

    GNU OpenMP sends waiting threads to sleep at once as soon as a process has more of them than
    cores. Two engines in one process have, and then each took two to three times as long.
    """

    def __init__(self, build: Callable[[], Peer]) -> None:
        context = get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(build, there), daemon=True)
        self._process.start()

    def answer(self, prompt: Sequence[int], num_tokens: int, *, warm: bool) -> Run:
        return cast(Run, self.call("answer", prompt, num_tokens, warm=warm))

    def call(self, name: str, *args: object, **options: object) -> object:
        """Call a method of the peer over there."""
        self._here.send((name, args, options))
        ok, result = self._here.recv()
        if not ok:
            raise RuntimeError(result)
        return result


def _serve(build: Callable[[], Peer], there: Connection) -> None:
    torch.set_num_threads(1)  # of this thread, which only loads: the engine's own thread computes
    peer = build()
    while True:
        try:
            name, args, options = there.recv()
        except EOFError:  # nobody asks any more
            return
        try:
            there.send((True, getattr(peer, name)(*args, **options)))
        except Exception as error:  # noqa: BLE001  # told where it was asked
            there.send((False, f"{type(error).__name__}: {error}"))
