"""Passages and a question to an answer: the story of this room. Shows no sentence unchecked.

The model drafts freely; each sentence is held back until it is complete and checked against the
passages. What they do not support ends the draft, or is left out or marked, and if nothing of it
stands, the model quotes the best evidence instead, under constrained decoding. Of several drafts,
a reward picks the one that is shown. A model that was trained to read says which words answer, and
their sentence is quoted. Where even the best evidence is unlikely to answer, the service refuses
before it writes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Self

from core.types import Passage
from generation.agreeing import choose_reply
from generation.best_of import choose_draft
from generation.citations import CheckedText, check_text
from generation.confidence import BUILT_IN, Calibration, Reading
from generation.context import Budget, Context, build_context
from generation.drafting import Unsupported, draft_checked, is_worth_showing
from generation.evidence import Evidence, EvidenceRanker
from generation.extracting import NO_POINTER, Pointer
from generation.generator import Cancelled as IsCancelled
from generation.generator import Generator
from generation.language import question_language
from generation.prompts import DEFAULT_PROMPT, PromptTemplate, load_prompt
from generation.quoting import choose_quotes, quotation
from generation.reading import REFUSALS, find_reply
from generation.reasoning import read_reasoning, split_reasoning
from generation.refusals import refuse
from generation.replying import ReadersQuestion, Replies, find_replies
from generation.reward import BUILT_IN_REWARD, Reward
from generation.span_likelihood import with_likelihood_drops
from generation.types import (
    Answer,
    AnswerEvent,
    Cancelled,
    Cited,
    Delta,
    Example,
    Finished,
    FinishReason,
    Message,
    OnWait,
    Pieces,
    Reasoning,
    Samples,
    Sampling,
    Style,
    Usage,
    ignore_wait,
)

# Sentences that a draft may rest on: its words must come from where the answer probably is.
NUM_DRAFT_SPANS: Final = 3


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """How to answer. `style` "quote" never drafts: every answer is a verbatim sentence; unless
    `sampling.n` asks for several texts, which only drafts are. "read" is for a model that was
    trained to: its words choose the sentence, and its doubt counts into the confidence.

    `unsupported` says what becomes of a draft's sentences that the passages do not support.
    `likelihood`: whether each sentence says how much likelier its span makes it.
    """

    sampling: Sampling
    min_confidence: float
    prompt: PromptTemplate = field(default_factory=partial(load_prompt, DEFAULT_PROMPT))
    style: Style = "quote"
    max_passages: int = 4
    unsupported: Unsupported = "end"
    calibration: Calibration = BUILT_IN
    reward: Reward = BUILT_IN_REWARD
    pointer: Pointer = NO_POINTER
    likelihood: bool = False
    # what the adapter in `sampling` is called; empty for none
    adapter: str = ""
    # shown before the question, the nearest to it last
    examples: tuple[Example, ...] = ()
    # is told how many requests wait before one of this answer's
    on_wait: OnWait = field(default=ignore_wait, compare=False)

    def with_prompt(self, template: PromptTemplate) -> Self:
        """The same with another prompt, in the style that this one asks for, if it does."""
        return replace(self, prompt=template, style=template.style or self.style)

    @property
    def drafts(self) -> bool:
        """Whether the model writes freely."""
        return self.style == "draft" or self.sampling.n > 1

    @property
    def reads(self) -> bool:
        """Whether the model says which words answer."""
        return self.style == "read" and not self.drafts


def answer(
    question: str,
    passages: Sequence[Passage],
    *,
    generator: Generator,
    ranker: EvidenceRanker,
    options: AnswerOptions,
    cancelled: IsCancelled,
) -> Iterator[AnswerEvent]:
    """Answer from `passages`, best first. The last event is one of `Finished` and `Cancelled`.

    `Reasoning` comes before every `Delta`. Raises `QuestionTooLongError` where the question alone
    is too long.
    """
    writing = _Writing(question, generator, options, cancelled)
    evidence = ranker.rank(question, passages[: options.max_passages])
    confidence = options.calibration.confidence(question, passages, evidence)
    # a model that was trained to read may find what the evidence alone does not show
    if not evidence or (confidence < options.min_confidence and not options.reads):
        yield Finished(writing.refusal(passages, confidence))
        return

    quote = quotation(choose_quotes(evidence))
    context = writing.build_context(passages, quote=quote)
    writing.check_can_weigh(context)
    if options.reads:
        replies = writing.read(evidence)
        if cancelled():
            yield Cancelled()
            return
        reading = writing.judge_replies(context, replies, confidence)
        confidence = options.calibration.chance_of(reading)
        if confidence < options.min_confidence:
            yield Finished(writing.refusal(passages, confidence))
            return
        found = find_reply(choose_reply(question, replies.chances, evidence), evidence)
        if found is not None:
            quote, evidence = found.text, found.evidence
            context = writing.build_context(passages, quote=quote)
    text = ""
    for piece in writing.write(context, evidence, quote):
        if isinstance(piece, Reasoning):
            yield piece
        else:
            text += piece
            yield Delta(piece)
    if cancelled():
        yield Cancelled()
        return

    checked = check_text(text, evidence)
    yield from (Cited(citation) for citation in checked.citations)
    checked = writing.weigh(checked, context)
    yield Finished(writing.finish(checked, confidence, context, passages))


class _Writing:
    """One answer on its way: what stays the same from its first step to its last."""

    def __init__(
        self, question: str, generator: Generator, options: AnswerOptions, cancelled: IsCancelled
    ) -> None:
        self._question = question
        self._generator = generator
        self._options = options
        self._cancelled = cancelled
        self._template = options.prompt
        self._language = question_language(question)
        self._answer_mark = options.prompt.texts_for(self._language).answer_mark
        self._num_written = 0
        self._num_reasoned = 0
        self._reasoning = ""
        self._samples: Samples | None = None
        # of what was written last
        self._finish_reason: FinishReason = "stop"

    def build_context(self, passages: Sequence[Passage], *, quote: str) -> Context:
        # `max_tokens` does not cut a quote, so the end of the window must not either
        num_quote_tokens = self._generator.count_tokens([Message("user", quote)])
        return build_context(
            self._question,
            passages,
            generator=self._generator,
            template=self._template,
            budget=Budget(
                self._options.max_passages,
                max(self._draft_sampling.max_tokens, num_quote_tokens),
            ),
            examples=self._options.examples,
        )

    def write(
        self, context: Context, evidence: Sequence[Evidence], quote: str
    ) -> Iterator[Reasoning | str]:
        """The reasoning, if any, and the checked draft; the quote, where that is not better."""
        num_shown = 0
        if self._options.drafts:
            for piece in self._draft(context, evidence[:NUM_DRAFT_SPANS], quote):
                if isinstance(piece, Reasoning):
                    self._reasoning += piece.text
                else:
                    num_shown += 1
                yield piece
        if num_shown == 0 and not self._cancelled():
            yield from self._count(
                self._generator.stream(
                    context.messages,
                    self._options.sampling,
                    cancelled=self._cancelled,
                    choices=[quote],
                    on_wait=self._options.on_wait,
                )
            )

    def read(self, evidence: Sequence[Evidence]) -> Replies:
        """The words of one passage that the model says answer, each of several times."""
        question = ReadersQuestion(
            self._question,
            lambda passage: self.build_context([passage], quote="").messages,
            REFUSALS[self._language],
            self._options.pointer,
        )
        replies = find_replies(
            self._generator,
            question,
            evidence,
            self._options.sampling,
            cancelled=self._cancelled,
            on_wait=self._options.on_wait,
        )
        self._num_written += replies.num_tokens
        return replies

    def judge_replies(self, context: Context, replies: Replies, confidence: float) -> Reading:
        """How likely the model finds the reply that it wrote most often, and that nothing answers.

        Not the one that is shown: what else is weighed for that says nothing of the model's doubt.
        """
        texts = [REFUSALS[self._language], replies.likeliest]
        refusal, likelihood = self._generator.score(
            context.messages, texts, adapter=self._options.sampling.adapter
        )
        return Reading(confidence, refusal, likelihood, replies.no_answer)

    @property
    def _draft_sampling(self) -> Sampling:
        sampling = self._options.sampling
        num_reasoning = self._template.max_reasoning_tokens if self._answer_mark else 0
        return replace(sampling, max_tokens=sampling.max_tokens + num_reasoning)

    def _draft(
        self, context: Context, spans: Sequence[Evidence], quote: str
    ) -> Iterator[Reasoning | str]:
        if self._options.sampling.n > 1:
            yield from self._best_draft(context, spans, quote)
            return
        pieces = self._count(
            self._generator.stream(
                context.messages,
                self._draft_sampling,
                cancelled=self._cancelled,
                on_wait=self._options.on_wait,
            )
        )
        drafted = yield from read_reasoning(pieces, self._answer_mark)
        self._num_reasoned = self._num_written if self._answer_mark else 0
        yield from draft_checked(
            self._limit(drafted),
            lambda sentence: is_worth_showing(sentence, self._question, spans),
            unsupported=self._options.unsupported,
            is_cut=lambda: self._finish_reason == "length",
        )

    def _limit(self, pieces: Iterator[str]) -> Iterator[str]:
        """No more than may be of an answer: what a short reasoning left over is not for it."""
        for count, piece in enumerate(pieces):
            if count == self._options.sampling.max_tokens:
                self._finish_reason = "length"
                return
            yield piece

    def _best_draft(
        self, context: Context, spans: Sequence[Evidence], quote: str
    ) -> Iterator[Reasoning | str]:
        drafts = self._generator.sample(
            context.messages,
            self._draft_sampling,
            cancelled=self._cancelled,
            on_wait=self._options.on_wait,
        )
        if not drafts:
            return
        self._num_written += sum(draft.num_tokens for draft in drafts)
        parted = [split_reasoning(draft.text, self._answer_mark) for draft in drafts]
        # by their share of the text: which tokens it was is not told
        self._num_reasoned = sum(
            round(draft.num_tokens * len(thought) / len(draft.text))
            for draft, (thought, _) in zip(drafts, parted, strict=True)
            if thought
        )
        chosen = choose_draft(
            self._question,
            [replace(draft, text=text) for draft, (_, text) in zip(drafts, parted, strict=True)],
            spans,
            quote=quote,
            reward=self._options.reward,
            unsupported=self._options.unsupported,
        )
        self._samples = chosen.samples
        winner = chosen.samples.winner
        if winner is not None and drafts[winner].is_cut:
            self._finish_reason = "length"
        if winner is not None and parted[winner][0]:
            yield Reasoning(parted[winner][0])
        yield from chosen.pieces

    def _count(self, pieces: Pieces) -> Iterator[str]:
        while True:
            try:
                piece = next(pieces)
            except StopIteration as end:
                self._finish_reason = end.value
                return
            self._num_written += 1
            yield piece

    def check_can_weigh(self, context: Context) -> None:
        """Raise now, and not after a whole answer, where likelihoods cannot be had."""
        if self._options.likelihood:
            self._generator.score(context.messages, [], adapter=self._options.sampling.adapter)

    def weigh(self, checked: CheckedText, context: Context) -> CheckedText:
        """The same, with the drops in likelihood where they were asked for."""
        if not self._options.likelihood:
            return checked
        return with_likelihood_drops(
            checked,
            context.passages,
            render=lambda passages: self._template.render(
                self._question, passages, self._language, examples=context.examples
            ),
            generator=self._generator,
            cancelled=self._cancelled,
            adapter=self._options.sampling.adapter,
        )

    def refusal(self, passages: Sequence[Passage], confidence: float) -> Answer:
        return refuse(
            self._question,
            passages,
            prompt=self._template.reference,
            sampling=self._options.sampling,
            confidence=confidence,
        )

    def finish(
        self,
        checked: CheckedText,
        confidence: float,
        context: Context,
        passages: Sequence[Passage],
    ) -> Answer:
        """The whole answer; a refusal where, after all, nothing in it is supported."""
        num_read = self._generator.count_tokens(context.messages)
        return replace(
            self._conclude(checked, confidence, passages),
            usage=Usage(num_read, self._num_written, self._num_reasoned),
            left_out=tuple(context.left_out),
            samples=self._samples,
            reasoning=self._reasoning,
            examples=tuple(context.examples),
            examples_left_out=tuple(context.examples_left_out),
        )

    def _conclude(
        self, checked: CheckedText, confidence: float, passages: Sequence[Passage]
    ) -> Answer:
        if checked.num_supported == 0:
            return self.refusal(passages, confidence)
        whole = checked.num_supported == len(checked.sentences)
        return Answer(
            status="answered" if whole else "partial",
            text=checked.text,
            sentences=checked.sentences,
            citations=checked.citations,
            confidence=confidence,
            prompt=self._template.reference,
            sampling=self._options.sampling,
            finish_reason=self._finish_reason,
        )
