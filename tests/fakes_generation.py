"""Generators without weights: they repeat the sentence of the prompt that fits the question."""

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from generation.generator import Cancelled
from generation.types import Draft, Message, OnWait, Pieces, Sampling, ignore_wait


class FakeGenerator:
    """Repeats, word by word, the sentence of the prompt that shares most words with its last line.

    `reply` is written instead where it is given, `error` raised; `replies` are what is sampled, in
    turn. With `num_before`, so many are before it until it `may_write`. `pause_s` is waited before
    every word, and after the first one, until it `may_go_on`. `was_cancelled` is set when a text
    ended early because its caller had gone. `adapters` are those that it was asked with.
    """

    def __init__(
        self,
        *,
        reply: str | None = None,
        replies: Sequence[str] = (),
        pause_s: float = 0.0,
        error: Exception | None = None,
        num_before: int | None = None,
    ) -> None:
        self.model = "fake-generator"
        self.model_sha256 = "f" * 64
        self.runs_on = "nowhere"
        self.max_context = 4096
        self.reply = reply
        self.replies = replies
        self.pause_s = pause_s
        self.error = error
        self.num_before = num_before
        self.may_write = threading.Event()
        self.may_go_on: Callable[[], bool] = lambda: True
        self.is_writing = threading.Event()
        self.was_cancelled = threading.Event()
        self.num_forgotten = 0
        self.adapters: list[str] = []

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """One token a word."""
        return sum(len(message.content.split()) for message in messages)

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
        """Yield the text a word at a time, as many as may be; with `choices`, the first of them.

        With `spans_of`, the first of them too, unless one of them holds the text.
        """
        self.adapters.append(sampling.adapter)
        if self.num_before is not None:
            on_wait(self.num_before)
            self.may_write.wait(60)
            on_wait(None)
        text = self.reply or _best_sentence(messages[-1].content)
        if choices or (spans_of and not any(text in each for each in spans_of)):
            yield from self._write((*choices, *spans_of)[0], cancelled)
            return "stop"
        yield from islice(self._write(text, cancelled), sampling.max_tokens)
        return "length" if len(text.split()) > sampling.max_tokens else "stop"

    def sample(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        cancelled: Cancelled,
        spans_of: Sequence[str] = (),
        on_wait: OnWait = ignore_wait,
    ) -> list[Draft]:
        """Texts as `stream` writes them, a token a word, each a nat."""
        self.adapters.append(sampling.adapter)
        replies = self.replies or [self.reply or _best_sentence(messages[-1].content)]
        if spans_of:
            replies = [t for t in replies if any(t in each for each in spans_of)] or spans_of[:1]
        drafts = []
        for number in range(sampling.n):
            whole = replies[number % len(replies)]
            text = "".join(islice(self._write(whole, cancelled), sampling.max_tokens))
            num = len(text.split())
            is_cut = num < len(whole.split())
            drafts.append(Draft(text, num, log_likelihood=-float(num), is_cut=is_cut))
        return [] if self.was_cancelled.is_set() else drafts

    def _write(self, text: str, cancelled: Cancelled) -> Iterator[str]:
        for number, word in enumerate(re.findall(r"\s*\S+", text)):
            self.is_writing.set()
            time.sleep(self.pause_s)
            while number > 0 and not self.may_go_on() and not cancelled():
                time.sleep(0.01)
            if self.error is not None:
                raise self.error
            if cancelled():
                self.was_cancelled.set()
                return
            yield word

    def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, adapter: str = ""
    ) -> list[float]:
        """Shorter is likelier."""
        self.adapters.append(adapter)
        return [-float(len(text)) for text in continuations]

    def forget_prefixes(self) -> None:
        """Count how often it was told."""
        self.num_forgotten += 1

    def close(self) -> None:
        """Has nothing to end."""


class WatchedGenerator(FakeGenerator):
    """Notes what it is asked, and serves one stream at a time, as the engine does."""

    def __init__(self, *, reply: str | None = None, replies: Sequence[str] = ()) -> None:
        super().__init__(reply=reply, replies=replies)
        self.prompts: list[Sequence[Message]] = []
        self.num_open = 0

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
        assert self.num_open == 0, "the engine would wait for ever: another stream is open"
        self.prompts.append(messages)
        self.num_open += 1
        try:
            return (
                yield from super().stream(
                    messages, sampling, cancelled=cancelled, choices=choices, spans_of=spans_of
                )
            )
        finally:
            self.num_open -= 1

    def sample(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        cancelled: Cancelled,
        spans_of: Sequence[str] = (),
        on_wait: OnWait = ignore_wait,
    ) -> list[Draft]:
        assert self.num_open == 0, "another stream is open"
        self.prompts.append(messages)
        return super().sample(messages, sampling, cancelled=cancelled, spans_of=spans_of)


class UnfaithfulGenerator(FakeGenerator):
    """Pays no heed to the choices that it is given, as a foreign server might."""

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
        return super().stream(messages, sampling, cancelled=cancelled)


def _best_sentence(prompt: str) -> str:
    *lines, question = prompt.strip().splitlines()
    asked = set(re.findall(r"\w+", question.lower()))
    sentences = re.split(r"(?<=[.!?])\s+|\n+", "\n".join(lines))
    return max(sentences, key=lambda text: len(asked & set(re.findall(r"\w+", text.lower()))))
