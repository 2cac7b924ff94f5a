"""The generator inside this process: our own engine over one GGUF file. Text in, text out."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import torch

from core.settings import GenerationSettings
from generation.choices import ChoiceConstraint
from generation.engine import Engine, PromptTooLongError, SamplingParams
from generation.errors import QuestionTooLongError
from generation.generator import Cancelled
from generation.local_model import LoadedModel, load_model
from generation.types import Message, Sampling

_DTYPES: Final[dict[str, torch.dtype | None]] = {
    "auto": None,
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
}


class LocalGenerator:
    """Loads the weights at the first use, or when `load` is called. Thread-safe."""

    def __init__(self, path: Path, settings: GenerationSettings, *, model: str) -> None:
        self._path = path
        self._settings = settings
        self._model = model
        self._lock = threading.Lock()
        self._running: tuple[LoadedModel, Engine] | None = None

    @property
    def model(self) -> str:
        """Name of the model."""
        return self._model

    @property
    def model_sha256(self) -> str:
        """Hash of the weights file."""
        return self._get()[0].sha256

    @property
    def max_context(self) -> int:
        """Tokens of prompt and answer together."""
        return self._get()[1].max_context

    def load(self) -> None:
        """Load the weights now, so that the first caller does not wait."""
        self._get()

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the rendered prompt."""
        return len(self._get()[0].tokenizer.render_chat(messages))

    def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        cancelled: Cancelled,
        choices: Sequence[str] = (),
    ) -> Iterator[str]:
        """Yield the text in pieces that never split a character."""
        loaded, engine = self._get()
        tokenizer = loaded.tokenizer
        params = _params(sampling, tokenizer.stop_ids)
        allowed_next: Callable[[Sequence[int]], Sequence[int] | None] = _anything
        if choices:
            constraint = ChoiceConstraint(
                [tokenizer.encode(choice) for choice in choices], stop_id=min(tokenizer.stop_ids)
            )
            params = _params(sampling, tokenizer.stop_ids, max_tokens=constraint.max_tokens)
            allowed_next = constraint.allowed_next
        try:
            tokens = engine.generate(
                tokenizer.render_chat(messages),
                params,
                cancelled=cancelled,
                allowed_next=allowed_next,
            )
        except PromptTooLongError as error:
            raise QuestionTooLongError(f"{error}; ask in fewer words") from error
        decoder = tokenizer.stream_decoder()
        try:
            for token in tokens:
                if piece := decoder.push(token):
                    yield piece
            if rest := decoder.flush():
                yield rest
        finally:
            # the next request waits until this one is closed, also when our reader stops early
            tokens.close()

    def score(self, messages: Sequence[Message], continuations: Sequence[str]) -> list[float]:
        """Log-likelihood of each continuation after the prompt."""
        loaded, engine = self._get()
        tokenizer = loaded.tokenizer
        return engine.score(
            tokenizer.render_chat(messages), [tokenizer.encode(text) for text in continuations]
        )

    def _get(self) -> tuple[LoadedModel, Engine]:
        with self._lock:
            if self._running is None:
                loaded = load_model(self._path, dtype=_DTYPES[self._settings.dtype])
                engine = Engine(
                    loaded.model,
                    max_context=self._settings.max_context,
                    num_threads=self._settings.num_threads or None,
                )
                self._running = (loaded, engine)
            return self._running


def _params(
    sampling: Sampling, stop_ids: frozenset[int], *, max_tokens: int | None = None
) -> SamplingParams:
    return SamplingParams(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k or None,
        seed=sampling.seed,
        max_tokens=max_tokens or sampling.max_tokens,
        stop_ids=stop_ids,
    )


def _anything(_generated: Sequence[int]) -> None:
    return None
