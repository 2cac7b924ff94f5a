"""Tokens of one sample become text: whole characters, stop strings held back, log-probabilities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from generation.engine.events import TokenChoice
from generation.stopping import StopStrings
from generation.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class LikelyToken:
    """A token as its bytes, which need not be whole characters, and its log-probability (nats)."""

    token: int
    data: bytes
    logprob: float


@dataclass(frozen=True, slots=True)
class ChosenToken(LikelyToken):
    """A token of the output, and what else was likely, likeliest first."""

    alternatives: tuple[LikelyToken, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """More text of a sample. `tokens` are those that begin in it, where they were asked for."""

    sample: int
    text: str
    tokens: tuple[ChosenToken, ...] = ()


class Vocabulary:
    """The bytes of every token; a control token's are its name, so that a person can read it."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._control: Mapping[int, str] = {
            token: name for name, token in tokenizer.control_tokens.items()
        }

    def describe(self, choice: TokenChoice) -> ChosenToken | None:
        """A chosen token with its log-probabilities; None where none were asked for."""
        if choice.logprob is None:
            return None
        others = tuple(
            LikelyToken(token, self._bytes(token), logprob)
            for token, logprob in choice.alternatives
        )
        return ChosenToken(choice.token, self._bytes(choice.token), choice.logprob, others)

    def _bytes(self, token: int) -> bytes:
        name = self._control.get(token)
        return self._tokenizer.token_bytes(token) if name is None else name.encode()


class SampleText:
    """The text of one sample so far. Feed it tokens, then `finish` it.

    It never gives part of a character, nor text that may yet turn out to be a stop string. Once a
    stop string is there `is_stopped` holds, and what came with it or after it is dropped.
    """

    def __init__(
        self, sample: int, tokenizer: Tokenizer, vocabulary: Vocabulary, stop: Sequence[str]
    ) -> None:
        self._sample = sample
        self._decoder = tokenizer.stream_decoder()
        self._vocabulary = vocabulary
        self._stop = StopStrings(stop)
        self._num_decoded = 0  # characters
        self._num_given = 0
        self._held: list[tuple[int, ChosenToken]] = []  # where each begins
        self.num_tokens = 0

    @property
    def is_stopped(self) -> bool:
        """Whether a stop string has ended the text."""
        return self._stop.is_stopped

    def push(self, choices: Sequence[TokenChoice]) -> Piece | None:
        """Take tokens; the text that they complete, if any."""
        text = ""
        for choice in choices:
            if self.is_stopped:
                break
            self.num_tokens += 1
            if (described := self._vocabulary.describe(choice)) is not None:
                self._held.append((self._num_decoded, described))
            decoded = self._decoder.push(choice.token)
            self._num_decoded += len(decoded)
            text += self._stop.push(decoded)
        return self._give(text)

    def finish(self) -> Piece | None:
        """What was held back, when nothing more comes."""
        if self.is_stopped:
            return None
        text = self._stop.push(self._decoder.flush()) + self._stop.flush()
        piece = self._give(text)
        if self.is_stopped or not self._held:
            return piece
        # tokens of no text of their own, such as the half of a character that never came
        rest = tuple(token for _start, token in self._held)
        self._held.clear()
        if piece is None:
            return Piece(self._sample, "", rest)
        return Piece(self._sample, piece.text, piece.tokens + rest)

    def _give(self, text: str) -> Piece | None:
        if not text:
            return None
        self._num_given += len(text)
        given = 0
        while given < len(self._held) and self._held[given][0] < self._num_given:
            given += 1
        tokens = tuple(token for _start, token in self._held[:given])
        del self._held[:given]
        return Piece(self._sample, text, tokens)
