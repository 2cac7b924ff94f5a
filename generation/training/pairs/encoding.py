"""Pairs to groups of two branches, the better reply first, in the prompt that the service writes.

Cuts nothing: a pair of which a reply is longer than the window is left out and counted.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from core.types import Passage
from generation.prompts import PromptNotFoundError, load_prompt
from generation.tokenizer import Tokenizer
from generation.training.errors import DataError, OptionError
from generation.training.pairs.examples import Pair, PairCounts, read_pairs
from generation.training.pairs.options import PairOptions
from generation.training.reader.encoding import as_passage, encode_reply
from generation.training.reader.examples import Source, split_development
from generation.training.reader.groups import Branch, Encoded, Facts, Group
from generation.types import Message


@dataclass(frozen=True, slots=True)
class Replies:
    """A prompt, and what may follow it."""

    prompt: list[int]
    replies: list[list[int]]

    @property
    def size(self) -> int:
        """Tokens of the prompt with the longest reply."""
        return len(self.prompt) + max(map(len, self.replies))

    def group(self) -> Group:
        """The prompt once, and a branch for each reply.

        The prompt's last token stays with each reply, which it is the first to foretell.
        """
        *shared, last = self.prompt
        branches = (
            Branch(np.array([last, *reply], np.int32), len(reply), is_refusal=False)
            for reply in self.replies
        )
        return Group(np.array(shared, np.int32), tuple(branches))


def as_passages(sources: Iterable[Source]) -> list[Passage]:
    """Sources of examples as the service's templates read them."""
    return [as_passage(source) for source in sources]


def encode_replies(
    tokenizer: Tokenizer, messages: Sequence[Message], texts: Iterable[str]
) -> Replies:
    """Tokens of a prompt and of replies to it. Raises DataError as `encode_reply` does."""
    prompt = tokenizer.render_chat(messages)
    replies = [encode_reply(tokenizer, messages, text, num_prompt=len(prompt)) for text in texts]
    return Replies(prompt, replies)


def encode_pairs(options: PairOptions, tokenizer: Tokenizer, digest: str) -> Encoded:
    """Read, sort out, split and encode. Raises DataError and OptionError."""
    try:
        template = load_prompt(options.prompt)
    except PromptNotFoundError as error:
        raise OptionError(f"--prompt: {error}") from error

    def encode(pairs: Iterable[Pair]) -> Iterator[Group]:
        for pair in pairs:
            passages = as_passages(pair.passages)
            messages = template.render(pair.question, passages, pair.language)
            encoded = encode_replies(tokenizer, messages, (pair.chosen, pair.rejected))
            if encoded.size <= options.window:
                yield encoded.group()

    counts = PairCounts()
    pairs = read_pairs(options.examples, counts)
    learnt, judged = split_development(pairs, held_out_share=options.held_out, seed=options.seed)
    groups = list(encode(learnt)), list(encode(judged))
    num_too_long = len(pairs) - sum(map(len, groups))
    if not all(groups):
        raise DataError(
            f"--window: {num_too_long:,} pairs are longer than {options.window} tokens, and too "
            "few are left; raise it, or shorten the passages"
        )
    facts = Facts(
        prompt=template.reference,
        prompt_sha256=template.sha256,
        tokenizer_sha256=digest,
        window=options.window,
        notes=[
            *counts.lines(),
            f"{num_too_long:,} were left out as longer than {options.window} tokens",
            f"{len(groups[1]):,} are only judged by; {len(groups[0]):,} are learnt from",
        ],
        origins=[(*of, number) for of, number in sorted(counts.origins.items())],
        num_alone=sum(
            len(group.shared) + len(branch.ids) - 1
            for group in groups[0]
            for branch in group.branches
        ),
    )
    return Encoded(*groups, facts)
