"""The generator inside this process: our own engine over one model. Text in, text out."""

import secrets
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from core.settings import GenerationSettings
from generation.adapter_shelf import Adapters, AdapterShelf, NoAdapters
from generation.chat_template import ChatTemplateError
from generation.completion import Completer, CompletionRequest, Ended, Reader, TextEvent
from generation.drafts import DraftTexts
from generation.engine.engine import EngineStats
from generation.engine.errors import (
    EngineBusyError,
    EngineClosedError,
    EngineError,
    ModelConfigError,
    PromptTooLongError,
    UnsupportedModelError,
    WeightsFileError,
)
from generation.engine.params import SamplingParams
from generation.engine.sequence import FinishReason
from generation.errors import (
    GenerationFailedError,
    GeneratorBusyError,
    GeneratorUnavailableError,
    ModelUnusableError,
    QuestionTooLongError,
)
from generation.generator import Cancelled
from generation.local_model import LoadedModel
from generation.output_format import AnyText, Choice, OutputFormat, Span
from generation.placement import Placed, place_model
from generation.sample_text import Piece
from generation.types import Draft, Message, OnWait, Pieces, Sampling, ignore_wait


@dataclass(frozen=True, slots=True)
class _Running:
    placed: Placed
    completer: Completer


class LocalGenerator:
    """Loads the weights at the first use, or when `load` is called. Thread-safe."""

    def __init__(
        self,
        path: Path,
        settings: GenerationSettings,
        *,
        model: str,
        cache_dir: Path | None = None,
        adapter: Path | None = None,
        adapters_dir: Path | None = None,
    ) -> None:
        """adapter: the file of one that is merged into the weights. adapters_dir: where those lie
        that requests may name.
        """
        self._adapters_dir = adapters_dir
        self._path = path
        self._cache_dir = cache_dir
        self._adapter = adapter
        self._settings = settings
        self._model = model
        self._lock = threading.Lock()
        self._running: _Running | None = None

    @property
    def model(self) -> str:
        """Name of the model."""
        return self._model

    @property
    def model_sha256(self) -> str:
        """Hash of the weights file, and of the adapter where there is one."""
        return self._get().placed.loaded.sha256

    @property
    def runs_on(self) -> str:
        """Such as "cpu auto float32": where, the format asked for, that of the activations."""
        model = self._get().placed.loaded.model
        dtype = str(model.dtype).removeprefix("torch.")
        return f"{model.device.type} {self._settings.weights} {dtype}"

    @property
    def max_context(self) -> int:
        """Tokens of prompt and answer together."""
        return self._get().placed.engine.max_context

    @property
    def completer(self) -> Completer:
        """The same model with every option there is."""
        return self._get().completer

    def load(self) -> None:
        """Load the weights now, so that the first caller does not wait."""
        self._get()

    def stats(self) -> EngineStats:
        """The engine's counters."""
        return self._get().placed.engine.stats()

    def find_stats(self) -> EngineStats | None:
        """The same; None until the weights are loaded."""
        with self._lock:
            running = self._running
        return None if running is None else running.placed.engine.stats()

    def forget_prefixes(self) -> None:
        """Let no later prompt reuse what was computed for an earlier one."""
        with self._lock:
            running = self._running
        if running is not None:
            running.placed.engine.forget_prefixes()

    def close(self) -> None:
        """End what runs. A closed generator takes nothing new."""
        with self._lock:
            running = self._running
        if running is not None:
            running.placed.close()

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the rendered prompt."""
        with _domain_errors():
            return len(self._get().completer.encode(messages))

    def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        cancelled: Cancelled,
        choices: Sequence[str] = (),
        spans_of: Sequence[str] = (),
        on_wait: OnWait = ignore_wait,
    ) -> Pieces:
        """Yield the text in pieces that never split a character, then say what ended it.

        Raises as the protocol says, and the other errors of `generation.errors`.
        """
        asked = CompletionRequest(
            prompt=messages,
            params=_params(sampling),
            max_tokens=sampling.max_tokens,
            output=_output(choices, spans_of),
            adapter=sampling.adapter,
        )
        # closed also when our reader stops early: the engine must not write on for nobody
        is_cut = False
        with closing(self._events(asked, cancelled, on_wait)) as events:
            for event in events:
                if isinstance(event, Piece):
                    yield event.text
                else:
                    is_cut = event.reason is FinishReason.LENGTH
        return "length" if is_cut else "stop"

    def sample(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        cancelled: Cancelled,
        spans_of: Sequence[str] = (),
        on_wait: OnWait = ignore_wait,
    ) -> list[Draft]:
        """`sampling.n` texts in one batch; the prompt is computed once. Raises as `stream` does."""
        asked = CompletionRequest(
            prompt=messages,
            params=replace(_params(sampling), num_logprobs=0),
            max_tokens=sampling.max_tokens,
            num_samples=sampling.n,
            output=_output((), spans_of),
            # A prompt that was known already is read in smaller steps, and in few bits that tells:
            # the same seed must give the same drafts again, so only siblings share the prompt.
            tenant=secrets.token_hex(16),
            adapter=sampling.adapter,
        )
        texts = DraftTexts()
        with closing(self._events(asked, cancelled, on_wait)) as events:
            for event in events:
                if isinstance(event, Piece):
                    texts.add(event.sample, event.text, [token.logprob for token in event.tokens])
                elif event.reason is FinishReason.CANCELLED:
                    return []
                else:
                    texts.end(event.sample, is_cut=event.reason is FinishReason.LENGTH)
        return texts.drafts()

    def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, adapter: str = ""
    ) -> list[float]:
        """Log-likelihood of each continuation after the prompt."""
        with _domain_errors():
            completer = self._get().completer
            return completer.score(completer.encode(messages), continuations, adapter=adapter)

    def _events(
        self, asked: CompletionRequest, cancelled: Cancelled, on_wait: OnWait
    ) -> Generator[TextEvent, None, None]:
        with _domain_errors():
            reader = Reader(self._get().completer, asked)
        with closing(reader.events(cancelled, on_wait=on_wait)) as events:
            for event in events:
                if isinstance(event, Ended) and event.reason is FinishReason.ERROR:
                    raise GenerationFailedError(f"the engine failed: {event.error}; ask again")
                yield event

    def _get(self) -> _Running:
        with self._lock:
            if self._running is None:
                with _domain_errors():
                    placed = place_model(
                        self._path,
                        self._settings,
                        cache_dir=self._cache_dir,
                        adapter=self._adapter,
                    )
                loaded = placed.loaded
                completer = Completer(
                    loaded.tokenizer,
                    placed.engine,
                    vocab_size=loaded.config.vocab_size,
                    adapters=self._shelve(loaded),
                )
                self._running = _Running(placed, completer)
            return self._running

    def _shelve(self, loaded: LoadedModel) -> Adapters:
        if self._adapters_dir is None:
            return NoAdapters()
        if self._settings.num_devices > 1:
            return NoAdapters(
                "adapters are applied on one device; set CIMIENTO_GENERATION__NUM_DEVICES to 1"
            )
        return AdapterShelf(
            self._adapters_dir, loaded.prepare, max_bytes=self._settings.adapter_bytes
        )


@contextmanager
def _domain_errors() -> Iterator[None]:
    """Errors of the engine as those that a person or a calling service may see."""
    try:
        yield
    except PromptTooLongError as error:
        raise QuestionTooLongError(f"{error}; ask in fewer words") from error
    except EngineBusyError as error:
        raise GeneratorBusyError(str(error)) from error
    except EngineClosedError as error:
        raise GeneratorUnavailableError(str(error)) from error
    except (WeightsFileError, UnsupportedModelError, ModelConfigError, ChatTemplateError) as error:
        raise ModelUnusableError(str(error)) from error
    except EngineError as error:
        raise GenerationFailedError(str(error)) from error


def _output(choices: Sequence[str], spans_of: Sequence[str]) -> OutputFormat:
    if choices:
        return Choice(tuple(choices))
    return Span(tuple(spans_of)) if spans_of else AnyText()


def _params(sampling: Sampling) -> SamplingParams:
    return SamplingParams(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k or None,
        seed=sampling.seed,
    )
