"""The engines that ours stands beside: llama.cpp on the same file, transformers on its weights."""

import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import torch
from transformers import LlamaForCausalLM

from benchmarks.engine_ours import Run
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
            self._model.reset()  # type: ignore[no-untyped-call]
        started = time.perf_counter()
        tokens = self._model.generate(list(prompt), temp=0.0, reset=warm)
        next(tokens)
        first_s = time.perf_counter() - started
        count = 1 + sum(1 for _ in islice(tokens, num_tokens - 1))
        return Run(first_s, time.perf_counter() - started, count)


class Transformers:
    """Its forward pass and its own cache, without the extra cost of its `generate` loop."""

    def __init__(self, path: Path, *, precision: torch.dtype) -> None:
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
