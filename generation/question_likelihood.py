"""How likely a question is after a text: a way to rank texts without a model of its own.

The text stands in the prompt and the question is the continuation that the generator scores, as in
unsupervised passage reranking (Sachan et al. 2022, arXiv 2204.07496).
"""

from collections.abc import Sequence
from typing import Final

from generation.generator import Generator
from generation.types import Message

_PROMPT: Final = "{text}\n\nWrite a question that this passage answers."


class QuestionLikelihood:
    """Scores texts by the log-likelihood (nats a token) of the question. Thread-safe."""

    is_set = True
    # A cosine of 0.05 weighs as much as a nat: alone, a small model's likelihood makes the order
    # worse, added to what was found it does not; benchmarks/LOG.md has the figures.
    found_weight = 20.0

    def __init__(self, generator: Generator) -> None:
        self._generator = generator

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """The score of each text; of one that does not fit into the context, its beginning counts.

        Raises `QuestionTooLongError`, and as `Generator.score` does.
        """
        num_tokens = self._count(question)
        room = self._generator.max_context - num_tokens - 1
        return [
            self._generator.score(self._prompt(text, room), [question])[0] / num_tokens
            for text in texts
        ]

    def _count(self, question: str) -> int:
        """The tokens of a question by itself."""
        alone, nothing = ([Message("user", text)] for text in (question, ""))
        return max(1, self._generator.count_tokens(alone) - self._generator.count_tokens(nothing))

    def _prompt(self, text: str, room: int) -> list[Message]:
        """A prompt of at most `room` tokens, where any text at all can have one."""
        prompt = [Message("user", _PROMPT.format(text=text))]
        while text and self._generator.count_tokens(prompt) > room:
            text = text[: len(text) // 2]
            prompt = [Message("user", _PROMPT.format(text=text))]
        return prompt
