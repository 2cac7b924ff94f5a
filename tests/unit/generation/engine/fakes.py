"""What the engine's tests run it with: a model that proves its cache, ears, slow references."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Final

import torch
from torch import Tensor

from generation.engine.attention import LayerAttention, PackedContext, attend
from generation.engine.config import ModelConfig
from generation.engine.core import EngineCore
from generation.engine.events import Event, Finished, TokenChoice
from generation.engine.pages import PAGE_SIZE, PagePool
from generation.engine.params import SamplingParams
from generation.engine.penalties import TokenCounts
from generation.engine.runner import CausalModel, Runner
from generation.engine.sampling import Row, sample_rows
from generation.engine.scheduler import Scheduler, SchedulerLimits
from generation.engine.sequence import FinishReason, Request
from tests.unit.generation.engine.tiny import tiny_config

# one of each kind of layer, head, norm and position that families differ in
FAMILIES: Final[dict[str, dict[str, Any]]] = {
    "llama": {},
    "gemma": {
        "activation": "gelu_tanh",
        "qk_norm": True,
        "sandwich_norms": True,
        "embedding_scale": 8.0,
        "attention_scale": 0.2,
        "sliding_window": 5,
        "sliding_layers": frozenset({0, 2}),
        "local_rope_theta": 100.0,
        "num_kv_heads": 1,
    },
    "gpt2": {
        "norm": "layer",
        "gated": False,
        "activation": "gelu_tanh",
        "qkv_bias": True,
        "out_bias": True,
        "ff_bias": True,
        "positions": "learned",
        "num_kv_heads": 4,
    },
    "no positions": {"unrotated_layers": frozenset({1})},
}

PATIENCE_S: Final = 60.0  # until a test of threads gives up
_MARKS: Final = torch.tensor([3, 5, 7, 11, 13, 17, 19, 23])  # one for each dimension
_WINDOW: Final = 7
_WINDOWS: Final = (None, _WINDOW)  # of its layers


class RecallModel:
    """Every logit depends on each token that attention shows, on its position, and on no more.

    Values are small integers made of token and position, and attention is uniform: what a token
    sees, times how many it should see, is the exact sum of their marks. A page that holds anything
    else changes the sum. Nothing is random and nothing is rounded, so a batch of any shape gives
    the same bits. It fails in the calls that are named in `fails_in`.
    """

    dtype = torch.float32
    device = torch.device("cpu")

    def __init__(self, *, max_positions: int = 256, vocab_size: int = 97) -> None:
        self.config: ModelConfig = tiny_config(
            vocab_size=vocab_size,
            num_layers=len(_WINDOWS),
            num_heads=2,
            num_kv_heads=1,
            head_dim=len(_MARKS),
            max_positions=max_positions,
            sliding_window=_WINDOW,
            sliding_layers=frozenset({1}),
        )
        self.num_calls = 0
        self.num_tokens = 0
        self.fails_in: set[int] = set()
        ids = torch.arange(vocab_size)
        self._factors = ids * ids + 3 * ids + 7  # (V,)
        self._terms = 11 * ids  # (V,)

    def __call__(self, tokens: Tensor, positions: Tensor, context: Any) -> Tensor:
        self.num_calls += 1
        self.num_tokens += len(tokens)
        if self.num_calls in self.fails_in:
            raise RuntimeError("the accelerator went away")
        silent = torch.zeros(len(tokens), 2, len(_MARKS))
        sums = []
        for index, window in enumerate(_WINDOWS):
            layer = LayerAttention(index, 1.0, window)
            marks = _marks(tokens, positions, index).float()[:, None]  # (N, 1, D)
            mean = context.attend(layer, silent, silent[:, :1], marks)  # (N, 2 * D)
            num_seen = (positions + 1).clamp(max=window or self.config.max_positions)
            sums.append((mean[:, : len(_MARKS)] * num_seen[:, None]).round())
        return torch.cat(sums, dim=-1)  # (N, 2 * D)

    def logits(self, hidden: Tensor) -> Tensor:
        mixed = hidden.long() @ torch.cat((_MARKS, _MARKS + 4))  # (R,)
        return ((mixed[:, None] * self._factors + self._terms) % 101).float() / 12

    def remember(self, tokens: Sequence[int]) -> Tensor:
        """Logits (1, V) after `tokens`, without a cache and without attention."""
        ids, positions = torch.tensor(tokens), torch.arange(len(tokens))
        sums = [
            _marks(ids, positions, index)[-window if window else None :].sum(0)
            for index, window in enumerate(_WINDOWS)
        ]
        return self.logits(torch.cat(sums)[None].float())


def _marks(tokens: Tensor, positions: Tensor, layer: int) -> Tensor:
    """Integers (N, D) in which every pair of token and position leaves its trace."""
    tokens, positions = tokens[:, None] + layer, positions[:, None]
    return (tokens * _MARKS + positions * (_MARKS + 2) + tokens * positions * (layer + 3)) % 31


class HeldModel(RecallModel):
    """Computes nothing until it may run."""

    def __init__(self) -> None:
        super().__init__()
        self.may_run = threading.Event()
        self.has_begun = threading.Event()

    def __call__(self, tokens: Tensor, positions: Tensor, context: Any) -> Tensor:
        self.has_begun.set()
        assert self.may_run.wait(PATIENCE_S)
        return super().__call__(tokens, positions, context)


@dataclass
class Ears:
    """A listener that insists on what a listener may rely on."""

    outputs: dict[int, list[int]] = field(default_factory=dict)  # by sample
    choices: dict[int, list[TokenChoice]] = field(default_factory=dict)
    ends: dict[int, Finished] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        assert event.sample not in self.ends, "Finished is a sample's last event"
        if isinstance(event, Finished):
            self.ends[event.sample] = event
            return
        assert event.choices, "an event without tokens"
        self.choices.setdefault(event.sample, []).extend(event.choices)
        self.outputs.setdefault(event.sample, []).extend(c.token for c in event.choices)

    @property
    def output(self) -> list[int]:
        return self.outputs.get(0, [])

    @property
    def reason(self) -> FinishReason:
        return self.ends[0].reason

    @property
    def end(self) -> Finished:
        return self.ends[0]


class Loop:
    """An engine's loop without its thread: requests go in, `run` steps until all have ended."""

    def __init__(
        self,
        model: CausalModel,
        *,
        num_pages: int = 64,
        lookup: bool = True,
        clock: Callable[[], float] = lambda: 0.0,
        **limits: int,
    ) -> None:
        limits.setdefault("max_batch_tokens", 512)
        limits.setdefault("max_sequences", min(32, limits["max_batch_tokens"]))
        max_context = min(model.config.max_positions, num_pages * PAGE_SIZE)
        self.pool = PagePool(num_pages)
        self._taken: list[int] = []
        max_context = limits.setdefault("max_context", max_context)
        self.scheduler = Scheduler(self.pool, SchedulerLimits(max_waiting=100, **limits))
        runner = Runner(model, num_pages=num_pages, page_size=PAGE_SIZE)
        self.core = EngineCore(
            runner,
            self.scheduler,
            max_context=max_context,
            lookup=lookup,
            clock=clock,
            stopwatch=lambda: 0.0,  # guesses cost what is told, however slow a fake is
        )

    def ask(self, request: Request) -> Ears:
        ears = Ears()
        self.core.add(request, ears, [])
        return ears

    def ask_all(self, requests: Sequence[Request]) -> list[Ears]:
        """Everything at once, to its end."""
        heard = [self.ask(request) for request in requests]
        self.run()
        return heard

    def run(self, *, max_steps: int = 10_000) -> None:
        for _ in range(max_steps):
            if not self.core.has_work:
                self.check_idle()
                return
            self.core.step()
            self.check()
        raise AssertionError(f"{self.scheduler.sequences()} have not ended")

    def check(self) -> None:
        """Every page is held by those who should hold it, and by nobody else."""
        held = [sequence.pages for sequence in self.scheduler.sequences()]
        self.pool.check([*held, self._taken])

    def check_idle(self) -> None:
        """Nothing runs, so nobody holds a page."""
        assert not self.scheduler.has_work
        self.pool.check([self._taken])

    def scatter_pages(self) -> None:
        """Take every other page away for good, so that no two free ones are neighbours."""
        pages = self.pool.allocate(self.pool.num_free)
        self.pool.release(pages[::2])
        self._taken = pages[1::2]


def ask(prompt: Sequence[int], **options: Any) -> Request:
    """A request; options of its params and its own, by their names."""
    own = {name: options.pop(name) for name in list(options) if name in Request.__slots__}
    own.setdefault("submitted_at", 0.0)
    return Request(prompt_ids=tuple(prompt), params=SamplingParams(**options), **own)


def whole(model: CausalModel, tokens: Sequence[int]) -> Tensor:
    """Logits (T, V) of one sequence in one pass, nothing kept."""
    ids = torch.tensor(tokens)
    context = PackedContext([len(tokens)])
    return model.logits(model(ids, torch.arange(len(tokens)), context))


@torch.inference_mode()
def uncached(
    model: CausalModel, request: Request, *, sample: int = 0, max_context: int | None = None
) -> list[int]:
    """What a sample must say: every token from a pass over all before it, alone, one by one."""
    params = request.params
    tokens = list(request.prompt_ids)
    counts = TokenCounts(request.prompt_ids)
    output: list[int] = []
    room = (max_context or model.config.max_positions) - len(tokens)
    while len(output) < min(params.max_tokens, room):
        if isinstance(model, RecallModel):
            logits = model.remember(tokens)
        else:
            logits = whole(model, tokens)[-1:]
        row = Row(
            params=params,
            position=len(tokens),
            sample=sample,
            counts=counts.update(output) if params.has_penalties else None,
        )
        [choice] = sample_rows(logits, [row])
        if choice.token in params.stop_ids:
            break
        output.append(choice.token)
        tokens.append(choice.token)
    return output


class StaticContext:
    """One sequence's keys and values in one tensor a layer: what paging must equal."""

    def __init__(self, config: ModelConfig) -> None:
        empty = torch.zeros(config.num_kv_heads, 0, config.head_dim)
        self._keys = [empty] * config.num_layers
        self._values = [empty] * config.num_layers

    def attend(self, layer: LayerAttention, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        at = layer.index
        self._keys[at] = torch.cat((self._keys[at], k.transpose(0, 1)), dim=1)
        self._values[at] = torch.cat((self._values[at], v.transpose(0, 1)), dim=1)
        return attend(q, self._keys[at], self._values[at], layer)


class Script:
    """A constraint that allows one set of tokens after the other, and then nothing.

    It forces what has no alternative, and fails in the methods that are named in `fails_in`.
    """

    def __init__(
        self, *allowed: Sequence[int], vocab_size: int = 97, fails_in: Sequence[str] = ()
    ) -> None:
        self.taken: list[int] = []
        self._allowed = allowed
        self._vocab_size = vocab_size
        self._fails_in = fails_in

    def forced(self) -> list[int]:
        self._work("forced")
        rest = self._allowed[len(self.taken) :]
        return [tokens[0] for tokens in takewhile(lambda tokens: len(tokens) == 1, rest)]

    def mask(self) -> Tensor:
        self._work("mask")
        allowed = torch.zeros(self._vocab_size, dtype=torch.bool)
        allowed[list(self._allowed[len(self.taken)])] = True
        return allowed

    def advance(self, token: int) -> None:
        self._work("advance")
        assert token in self._allowed[len(self.taken)]
        self.taken.append(token)

    @property
    def is_finished(self) -> bool:
        self._work("is_finished")
        return len(self.taken) == len(self._allowed)

    def _work(self, method: str) -> None:
        if method in self._fails_in and self.taken:
            raise ValueError("the grammar grew too complex")
