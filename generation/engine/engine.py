"""Run requests over one model: token ids in, token ids out. Refuses prompts that do not fit whole.

Requests run one at a time, first come, first served, over one KV cache. The cache keeps the last
request's tokens, so the longest prefix that the next one shares with it is not computed again.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from generation.engine.config import ModelConfig
from generation.engine.errors import InvalidPromptError, PromptTooLongError
from generation.engine.kv_cache import KVCache
from generation.engine.request import (
    AllowedNext,
    FinishReason,
    Request,
    anything_allowed,
    never_cancelled,
)
from generation.engine.sampling import SamplingParams, sample
from generation.engine.turnstile import Turnstile

# small enough to notice a cancelled request soon, large enough to keep matrix products efficient
PREFILL_CHUNK_TOKENS = 512

TokenStream = Generator[int, None, None]


class CausalModel(Protocol):
    """What the engine needs of a model; `Transformer` is one, a test's fake another."""

    config: ModelConfig

    def __call__(self, tokens: Tensor, cache: KVCache, *, last_only: bool = False) -> Tensor: ...

    def new_cache(self, max_tokens: int) -> KVCache: ...


class Generation(Iterator[int]):
    """The tokens of one request as they come. `finish_reason` is set once they are exhausted.

    Close it (or drop it) to end early: the next request waits until then.
    """

    def __init__(self, request: Request, tokens: TokenStream) -> None:
        self._request = request
        self._tokens = tokens

    def __next__(self) -> int:
        return next(self._tokens)

    def close(self) -> None:
        self._tokens.close()

    @property
    def finish_reason(self) -> FinishReason | None:
        return self._request.finish_reason

    @property
    def num_reused_tokens(self) -> int:
        """Prompt tokens whose keys and values were still there from the request before."""
        return self._request.num_reused_tokens


class Engine:
    """Thread-safe. `max_context` bounds prompt and output together; None takes the model's limit.

    `num_threads` sets torch's CPU threads for the whole process; None leaves them as they are.
    """

    def __init__(
        self,
        model: CausalModel,
        *,
        max_context: int | None = None,
        num_threads: int | None = None,
        prefill_chunk: int = PREFILL_CHUNK_TOKENS,
    ) -> None:
        if num_threads is not None:
            torch.set_num_threads(num_threads)
        limit = model.config.max_positions
        self._max_context = limit if max_context is None else min(max_context, limit)
        self._model = model
        self._prefill_chunk = prefill_chunk
        self._turnstile = Turnstile()
        self._cache = model.new_cache(self._max_context)
        self._cached_ids: list[int] = []  # the tokens whose keys and values the cache holds

    @property
    def max_context(self) -> int:
        return self._max_context

    @property
    def num_requests(self) -> int:
        """Requests running or waiting."""
        return self._turnstile.num_inside

    def generate(
        self,
        prompt_ids: Sequence[int],
        params: SamplingParams,
        *,
        cancelled: Callable[[], bool] = never_cancelled,
        allowed_next: AllowedNext = anything_allowed,
    ) -> Generation:
        """Check a prompt now and return its tokens, computed as they are read.

        cancelled: asked before every chunk and token, and while waiting for a turn.
        allowed_next: given the tokens so far, the ids that may follow; None for any, empty to stop.
            Where only one may follow it is taken without computing anything.
        Raises PromptTooLongError, InvalidPromptError.
        """
        self._check_prompt(prompt_ids)
        request = Request(
            prompt_ids=list(prompt_ids),
            params=params,
            cancelled=cancelled,
            allowed_next=allowed_next,
        )
        return Generation(request, self._serve(request))

    def score(
        self, prompt_ids: Sequence[int], continuations: Sequence[Sequence[int]]
    ) -> list[float]:
        """The log-likelihood of each continuation after the prompt, summed over its tokens.

        The prompt is computed once for all. An empty continuation scores 0.
        Raises PromptTooLongError when the prompt and its longest continuation do not fit together.
        """
        longest = max((len(ids) for ids in continuations), default=0)
        self._check_prompt(prompt_ids, room=max(1, longest))
        for ids in continuations:
            self._check_ids(ids)
        with self._turnstile.turn(never_cancelled):
            return self._score(list(prompt_ids), continuations)

    def _serve(self, request: Request) -> TokenStream:
        with self._turnstile.turn(request.cancelled) as granted:
            if not granted:
                request.finish_reason = FinishReason.CANCELLED
                return
            request.num_reused_tokens = self._reuse_prefix(request.prompt_ids)
            while request.finish_reason is None:
                token = self.step(request)
                if token is not None:
                    yield token

    @torch.inference_mode()
    def step(self, request: Request) -> int | None:
        """One turn of the engine: schedule, run, sample, postprocess.

        None while the prompt is still being read, and when the request ends without another token.
        """
        if request.cancelled():
            request.finish_reason = FinishReason.CANCELLED
            return None
        allowed = request.allowed_next(request.output_ids)
        if allowed is not None and len(allowed) < 2:
            # Nothing to choose, so no logits are needed; the tokens that were skipped are computed
            # in one chunk when there is something to choose again.
            return self._postprocess(request, allowed[0] if allowed else None)
        logits = self._run(self._schedule(request))  # (V,)
        if len(self._cached_ids) < request.num_tokens:
            return None
        return self._postprocess(request, self._sample(request, logits, allowed))

    def _schedule(self, request: Request) -> list[int]:
        """The next tokens to compute: a chunk of the prompt, or what was chosen since."""
        return request.tokens_from(len(self._cached_ids), at_most=self._prefill_chunk)

    def _run(self, ids: list[int]) -> Tensor:
        """Compute `ids` after the cached tokens; logits (V,) for what follows the last of them."""
        logits = self._model(torch.tensor([ids]), self._cache, last_only=True)  # (1, 1, V)
        self._cached_ids += ids
        return logits[0, -1]

    def _sample(self, request: Request, logits: Tensor, allowed: Sequence[int] | None) -> int:
        if allowed is None:
            return sample(logits, request.params, request.num_tokens)
        choice = sample(logits[torch.tensor(allowed)], request.params, request.num_tokens)
        return allowed[choice]

    def _postprocess(self, request: Request, token: int | None) -> int | None:
        if token is None or token in request.params.stop_ids:
            request.finish_reason = FinishReason.STOP
            return None
        request.output_ids.append(token)
        full = request.num_tokens >= self._max_context
        if full or len(request.output_ids) >= request.params.max_tokens:
            request.finish_reason = FinishReason.LENGTH
        return token

    def _reuse_prefix(self, prompt_ids: list[int]) -> int:
        """Keep what the cache shares with a prompt, less one: its last token must yield logits."""
        num_shared = 0
        for cached, wanted in zip(self._cached_ids, prompt_ids[:-1], strict=False):
            if cached != wanted:
                break
            num_shared += 1
        self._rewind(num_shared)
        return num_shared

    def _rewind(self, length: int) -> None:
        self._cache.truncate(length)
        del self._cached_ids[length:]

    @torch.inference_mode()
    def _score(self, prompt_ids: list[int], continuations: Sequence[Sequence[int]]) -> list[float]:
        start = self._reuse_prefix(prompt_ids)
        first = torch.empty(0)
        for at in range(start, len(prompt_ids), self._prefill_chunk):
            first = self._run(prompt_ids[at : at + self._prefill_chunk])  # (V,)
        scores = []
        for ids in continuations:
            self._rewind(len(prompt_ids))
            scores.append(self._score_one(first, list(ids)))
        return scores

    def _score_one(self, first: Tensor, ids: list[int]) -> float:
        """`first` (V,) are the logits after the prompt, which are shared by all continuations."""
        if not ids:
            return 0.0
        logits = first[None]  # (1, V)
        if len(ids) > 1:
            rest = self._model(torch.tensor([ids[:-1]]), self._cache)[0]  # (N - 1, V)
            self._cached_ids += ids[:-1]
            logits = torch.cat((logits, rest))  # (N, V)
        chosen = logits.log_softmax(-1).gather(1, torch.tensor(ids)[:, None])  # (N, 1)
        return float(chosen.sum())

    def _check_prompt(self, prompt_ids: Sequence[int], *, room: int = 1) -> None:
        if not prompt_ids:
            raise InvalidPromptError("the prompt is empty; send at least one token")
        if len(prompt_ids) + room > self._max_context:
            raise PromptTooLongError(
                num_tokens=len(prompt_ids), max_tokens=self._max_context - room
            )
        self._check_ids(prompt_ids)

    def _check_ids(self, ids: Sequence[int]) -> None:
        vocab_size = self._model.config.vocab_size
        for token in ids:
            if not 0 <= token < vocab_size:
                raise InvalidPromptError(
                    f"token {token} is outside the vocabulary of {vocab_size}; "
                    "encode with the model's own tokenizer"
                )
