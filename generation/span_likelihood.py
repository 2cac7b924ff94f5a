"""How much likelier a sentence is with the span it cites than without it. Judges nothing.

The likelihoods are the model's own, after the prompt that the answer was written from. A sentence
that the model would have written anyway loses nothing when its span is taken away.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from core.types import Passage
from generation.citations import CheckedText
from generation.errors import QuestionTooLongError
from generation.generator import Cancelled, Generator
from generation.types import Citation, Message

# at most so many at once: fewer than any server takes
_MAX_SCORED: Final = 64

Render = Callable[[Sequence[Passage]], list[Message]]
"""The prompt with these passages."""


def with_likelihood_drops(
    checked: CheckedText,
    passages: Sequence[Passage],
    *,
    render: Render,
    generator: Generator,
    cancelled: Cancelled,
    adapter: str = "",
) -> CheckedText:
    """The same text, each cited sentence with its drop in log-likelihood (nats).

    `passages` are those in the prompt. None stays where the span is not in them, where prompt and
    sentence do not fit into the window together, and where the caller has gone meanwhile. Raises as
    `Generator.score` does.
    """
    likelihoods = partial(_score, generator, adapter)
    sentences = list(checked.sentences)
    for citation in checked.citations:
        without = _without(passages, citation)
        if without == list(passages) or cancelled():
            continue
        citing = [at for at, each in enumerate(sentences) if citation.n in each.citations]
        texts = [checked.text[sentences[at].start : sentences[at].end] for at in citing]
        try:
            before = likelihoods(render(passages), texts)
            after = likelihoods(render(without), texts)
        except QuestionTooLongError:
            continue
        for at, likelier, score in zip(citing, before, after, strict=True):
            sentences[at] = replace(sentences[at], likelihood_drop=likelier - score)
    return replace(checked, sentences=tuple(sentences))


def _score(
    generator: Generator, adapter: str, messages: list[Message], texts: Sequence[str]
) -> list[float]:
    return [
        score
        for start in range(0, len(texts), _MAX_SCORED)
        for score in generator.score(messages, texts[start : start + _MAX_SCORED], adapter=adapter)
    ]


def _without(passages: Sequence[Passage], citation: Citation) -> list[Passage]:
    """The passages as they would be if the document did not have the span."""
    kept = []
    for passage in passages:
        start = max(citation.start - passage.start, 0)
        end = min(citation.end, passage.end) - passage.start
        if passage.version_id == citation.passage.version_id and start < end:
            passage = replace(passage, text=passage.text[:start] + passage.text[end:])
        kept.append(passage)
    return kept
