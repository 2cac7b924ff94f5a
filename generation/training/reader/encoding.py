"""Examples to groups of tokens, in the prompt that the service writes. Cuts nothing: what is longer
than the window is left out and counted.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

import numpy as np

from core.ids import ChunkId, CollectionId, DocumentId, VersionId
from core.types import Passage
from generation.prompts import PromptNotFoundError, PromptTemplate, load_prompt
from generation.reading import REFUSALS
from generation.tokenizer import Tokenizer
from generation.training.errors import DataError, OptionError
from generation.training.reader.examples import (
    Example,
    ExampleCounts,
    Source,
    read_examples,
    split_development,
)
from generation.training.reader.groups import Branch, Encoded, Facts, Group
from generation.training.reader.options import ReaderOptions
from generation.training.reader.rehearsing import read_pieces
from generation.types import Message

_MAX_BRANCHES: Final = 8  # more teach little that is new, and make the step's questions alike
# of the shortest prompt: attention computes the rectangle of a group, so branches are not free
_WORTH_SHARING: Final = 0.3


@dataclass(slots=True)
class _Lengths:
    """What encoding left out, and what sharing saves."""

    num_too_long: int = 0
    num_alone: int = 0


@dataclass(frozen=True, slots=True)
class Encoder:
    """Turns examples into tokens for one model and one prompt."""

    tokenizer: Tokenizer
    template: PromptTemplate
    window: int

    def encode(self, examples: Iterable[Example], lengths: _Lengths) -> Iterator[Group]:
        """Groups in the order of their first examples."""
        by_passages: defaultdict[tuple[Source, ...], list[Example]] = defaultdict(list)
        for example in examples:
            by_passages[example.passages].append(example)
        for alike in by_passages.values():
            turns = [turn for example in alike if (turn := self._turn(example, lengths))]
            for start in range(0, len(turns), _MAX_BRANCHES):
                yield from _join(turns[start : start + _MAX_BRANCHES])

    def _turn(self, example: Example, lengths: _Lengths) -> "_Turn | None":
        passages = [as_passage(source) for source in example.passages]
        messages = self.template.render(example.question, passages, example.language)
        answer = REFUSALS[example.language] if example.answer is None else example.answer
        prompt = self.tokenizer.render_chat(messages)
        reply = encode_reply(self.tokenizer, messages, answer, num_prompt=len(prompt))
        size = len(prompt) + len(reply)
        if size > self.window:
            lengths.num_too_long += 1
            return None
        lengths.num_alone += size - 1
        return _Turn(prompt, reply, example.answer is None)


@dataclass(frozen=True, slots=True)
class _Turn:
    prompt: list[int]
    reply: list[int]
    is_refusal: bool


def encode_reply(
    tokenizer: Tokenizer, messages: Sequence[Message], answer: str, *, num_prompt: int
) -> list[int]:
    """The tokens of an answer and of the end of its turn, as the model's own template has them.

    Raises DataError where the template has a conversation with an answer begin otherwise.
    """
    whole = tokenizer.render_chat(
        [*messages, Message("assistant", answer)], add_generation_prompt=False
    )
    written = whole[num_prompt:]
    end = next((i for i, token in enumerate(written) if token in tokenizer.stop_ids), None)
    if end is None or whole[:num_prompt] != tokenizer.render_chat(messages):
        raise DataError(
            "--base: the chat template of this model does not end an answer, or begins it "
            "otherwise once it is there; take a model whose template does"
        )
    return written[: end + 1]


def _join(turns: Sequence[_Turn]) -> Iterator[Group]:
    """Turns over the same passages: what all prompts begin with is there once.

    A prompt's last token stays with its own reply, which it is the first to foretell. Where prompts
    share little, as those do that begin with the question, each is a group of its own.
    """
    first = min((turn.prompt for turn in turns), key=len)
    same = takewhile(
        lambda place: all(turn.prompt[place] == first[place] for turn in turns),
        range(len(first) - 1),
    )
    num_shared = sum(1 for _ in same)
    if len(turns) > 1 and num_shared < _WORTH_SHARING * len(first):
        for turn in turns:
            yield from _join([turn])
        return
    branches = tuple(
        Branch(
            np.array([*turn.prompt[num_shared:], *turn.reply], np.int32),
            len(turn.reply),
            turn.is_refusal,
        )
        for turn in turns
    )
    yield Group(np.array(first[:num_shared], np.int32), branches)


def as_passage(source: Source) -> Passage:
    """A passage as the template reads it: it asks for nothing but the place and the text."""
    return Passage(
        id=ChunkId(0),
        document_id=DocumentId(""),
        document_name=source.name,
        version_id=VersionId(""),
        version=1,
        collection_id=CollectionId(""),
        collection="",
        page=None,
        start=0,
        end=len(source.text),
        heading="",
        text=source.text,
        score=0.0,
    )


def encode_file(options: ReaderOptions, tokenizer: Tokenizer, *, tokenizer_sha256: str) -> Encoded:
    """Read, sort out, split and encode. Raises DataError and OptionError."""
    try:
        template = load_prompt(options.prompt)
    except PromptNotFoundError as error:
        raise OptionError(f"--prompt: {error}") from error
    counts = ExampleCounts()
    examples = read_examples(options.examples, counts)
    learnt, judged = split_development(examples, held_out_share=options.held_out, seed=options.seed)
    encoder = Encoder(tokenizer, template, options.window)
    of_learnt, of_judged = _Lengths(), _Lengths()
    groups = list(encoder.encode(learnt, of_learnt)), list(encoder.encode(judged, of_judged))
    num_too_long = of_learnt.num_too_long + of_judged.num_too_long
    if not all(groups):
        raise DataError(
            f"--window: {num_too_long:,} examples are longer than {options.window} tokens, and "
            "too few are left; raise it, or shorten the passages"
        )
    facts = Facts(
        prompt=template.reference,
        prompt_sha256=template.sha256,
        tokenizer_sha256=tokenizer_sha256,
        window=options.window,
        notes=[
            *counts.lines(),
            f"{num_too_long:,} were left out as longer than {options.window} tokens",
            f"{len(judged):,} are only judged by; {len(learnt):,} are learnt from, in "
            f"{len(groups[0]):,} groups over the same passages",
        ],
        origins=[(*of, number) for of, number in sorted(counts.origins.items())],
        num_alone=of_learnt.num_alone,
    )
    if options.plain is None:
        return Encoded(*groups, facts)
    pieces = read_pieces(options.plain, tokenizer, seed=options.seed)
    facts.notes.append(f"{len(pieces):,} pieces of plain text are rehearsed, from another file")
    return Encoded(*groups, facts, pieces)
