"""What can be checked of an answer without a judge: citations against sources, gold in the text."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.answer_sets import Question
from core.types import Passage
from generation.citations import check_text
from generation.evidence import EvidenceRanker
from generation.sentences import split_sentences
from generation.support import lexical_support
from generation.types import Answer, Citation

_NUM_DRAFT_SENTENCES: Final = 4


@dataclass(frozen=True, slots=True)
class Checked:
    """One answer and what was found out about it; shares are None where nothing is cited."""

    question: Question
    status: str
    holds_gold: bool
    gold_is_read: bool
    num_citations: int
    num_valid: int
    num_exact: int
    support: float | None
    article_precision: float | None
    paragraph_precision: float | None
    check_ms: float


def check(
    question: Question, full: Answer, passages: Sequence[Passage], ranker: EvidenceRanker
) -> Checked:
    """Look at every citation of an answer from `passages`."""
    cited = full.citations
    gold = question.gold
    support = [
        max(
            lexical_support(full.text[sentence.start : sentence.end], citation.quote)
            for citation in cited
            if citation.n in sentence.citations
        )
        for sentence in full.sentences
        if sentence.citations
    ]
    in_article = [citation.passage.document_name == gold.article for citation in cited]
    in_paragraph = [
        is_near and citation.start < gold.end and gold.start < citation.end
        for is_near, citation in zip(in_article, cited, strict=True)
    ]
    return Checked(
        question=question,
        status=full.status,
        holds_gold=full.status != "refused" and gold.is_held_by(full.text),
        gold_is_read=question.is_answerable and gold.is_in(passages),
        num_citations=len(cited),
        num_valid=sum(_is_valid(citation, passages) for citation in cited),
        num_exact=sum(_is_exact(citation) for citation in cited),
        support=_mean(support),
        article_precision=_mean(in_article),
        paragraph_precision=_mean(in_paragraph),
        check_ms=_time_checks(question, passages, ranker),
    )


def _is_valid(citation: Citation, passages: Sequence[Passage]) -> bool:
    """The place was in the context, and lies inside the passage that it names."""
    passage = citation.passage
    return passage in passages and passage.start <= citation.start < citation.end <= passage.end


def _is_exact(citation: Citation) -> bool:
    passage = citation.passage
    inside = passage.text[citation.start - passage.start : citation.end - passage.start]
    return citation.quote == inside


def _time_checks(question: Question, passages: Sequence[Passage], ranker: EvidenceRanker) -> float:
    """Milliseconds that checking a draft of some sentences takes, none of them a quote.

    Sentences of the passages that lack a word each: near enough to every check to be made.
    """
    evidence = ranker.rank(question.text, passages)
    texts = [
        passage.text[start:end]
        for passage in passages
        for start, end in split_sentences(passage.text)
    ][:_NUM_DRAFT_SENTENCES]
    draft = " ".join(" ".join(text.split()[1:]) for text in texts)
    began = time.perf_counter()
    check_text(draft, evidence)
    return 1000 * (time.perf_counter() - began)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
