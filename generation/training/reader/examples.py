"""Lines of a file to examples worth learning from: every line that is left out is counted.

A line is a JSON object. `passages` is a list of texts, or of {"name": ..., "text": ...}; `answer`
is words of the passages, or null where they do not answer. What `cimiento feedback export --as
training` writes is read too: `context`, `answers`, `answerable`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, TypedDict, TypeVar

import numpy as np

from generation.language import Language, question_language
from generation.sentences import split_sentences
from generation.spans import find_span, without_marks
from generation.training.errors import DataError
from generation.training.lines import LineCounts, read_lines

_DEVELOPMENT: Final = ("dev", "development", "validation")
_UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Source:
    """A passage as the prompt shows it: where it stands, and what it says."""

    name: str
    text: str


class LineFacts(TypedDict):
    """What a line says beside its content."""

    language: Language
    origin: str
    licence: str
    is_development: bool


@dataclass(frozen=True, slots=True)
class Example:
    """A question over passages. `answer` None: they do not answer it."""

    question: str
    passages: tuple[Source, ...]
    answer: str | None
    language: Language
    origin: str = _UNKNOWN
    licence: str = _UNKNOWN
    is_development: bool = False

    @property
    def ground(self) -> Source:
        """The passage that the answer stands in; the first, where there is none."""
        return find_ground(self.passages, self.answer)


class Judgeable(Protocol):
    """Something that is either learnt from or judged by."""

    @property
    def ground(self) -> Source: ...
    @property
    def is_development(self) -> bool: ...


E = TypeVar("E", bound=Judgeable)


def find_ground(passages: Sequence[Source], words: str | None) -> Source:
    """The passage that the words stand in; the first, where there is none."""
    held = (each for each in passages if words and find_span(words, each.text))
    return next(held, passages[0])


@dataclass(slots=True)
class ExampleCounts(LineCounts):
    """What became of the lines of a file, and of whom those that are left are."""

    origins: Counter[tuple[str, str]] = field(default_factory=Counter)  # origin and licence
    languages: Counter[str] = field(default_factory=Counter)
    num_refusals: int = 0

    def lines(self) -> list[str]:
        """What happened, in sentences for a person and for the data card."""
        languages = ", ".join(f"{name} {n:,}" for name, n in sorted(self.languages.items()))
        return [
            self.told(),
            f"{self.num_kept:,} examples are left ({languages}), "
            f"{self.num_refusals:,} of them to be refused",
        ]

    def keep(self, example: Example) -> None:
        self.num_kept += 1
        self.num_refusals += example.answer is None
        self.origins[example.origin, example.licence] += 1
        self.languages[example.language] += 1


def read_examples(path: Path, counts: ExampleCounts) -> list[Example]:
    """The examples of a file, each once, in its order.

    Raises DataError where none is left, or where all are to be refused: nothing could be learnt.
    """
    examples = list(_without_repeats(read_lines(path, counts, _read), counts))
    for example in examples:
        counts.keep(example)
    if not examples:
        raise DataError(f"--examples: {path} holds nothing to learn from. " + counts.lines()[0])
    if counts.num_refusals == counts.num_kept:
        raise DataError(
            f"--examples: every example of {path} is to be refused; a model taught by them would "
            "never answer. Add examples with an answer"
        )
    return examples


def _read(row: Mapping[str, Any]) -> Example | str:
    """An example, or why the line is none."""
    question, passages, answers = row.get("question"), read_passages(row), _answers(row)
    if not isinstance(question, str) or not question.strip() or not passages or answers is None:
        return "without a question, passages or an answer"
    answer = None
    if answers:
        answer = next(filter(None, (_in_words_of(passages, text) for text in answers)), None)
        if answer is None:
            return "answer not in its passages"
    return Example(
        question=" ".join(question.split()),
        passages=passages,
        answer=answer,
        **read_facts(row, question),
    )


def read_facts(row: Mapping[str, Any], question: str) -> LineFacts:
    """What a line says beside its content."""
    language = row.get("language") or row.get("lang")
    return LineFacts(
        language=language if language in ("en", "es") else question_language(question),
        origin=str(row.get("source") or _UNKNOWN),
        licence=str(row.get("licence") or _UNKNOWN),
        is_development=row.get("split") in _DEVELOPMENT,
    )


def read_passages(row: Mapping[str, Any]) -> tuple[Source, ...]:
    """The passages of a line; none where one of them is unsound."""
    given = row.get("passages") or row.get("context") or ()
    items = [given] if isinstance(given, str) else given
    sources = []
    for item in items if isinstance(items, Sequence) else ():
        named = item if isinstance(item, Mapping) else {"text": item}
        name, text = named.get("name") or "", named.get("text")
        if not isinstance(text, str) or not isinstance(name, str) or not text.strip():
            return ()
        sources.append(Source(name.strip(), text.strip()))
    return tuple(sources)


def _answers(row: Mapping[str, Any]) -> list[str] | None:
    """The answers that are right; none where the passages hold none; None where nobody says."""
    if row.get("answerable") is False or ("answer" in row and row["answer"] is None):
        return []
    given = row.get("answer") or row.get("answers")
    items = [given] if isinstance(given, str) else given
    if not isinstance(items, Sequence):
        return None
    texts = [" ".join(text.split()) for text in items if isinstance(text, str)]
    return [text for text in texts if text] or None


def _in_words_of(passages: Iterable[Source], answer: str) -> str | None:
    """The answer as the passages spell it; None where one of its sentences is not there.

    Marks of citations, such as [1], stay where they are.
    """
    texts = [passage.text for passage in passages]
    plain = without_marks(answer)
    if plain == answer and (whole := _spelt(texts, answer)):
        return whole
    sentences = [plain[start:end] for start, end in split_sentences(plain)]
    is_held = bool(sentences) and all(_spelt(texts, sentence) for sentence in sentences)
    return answer if is_held else None


def _spelt(texts: Sequence[str], words: str) -> str | None:
    return next(filter(None, (find_span(words, text) for text in texts)), None)


def _without_repeats(examples: Iterable[Example], counts: ExampleCounts) -> Iterator[Example]:
    """Each once; of those that contradict each other, none: nobody knows which is right."""
    by_question: defaultdict[tuple[str, tuple[Source, ...]], list[Example]] = defaultdict(list)
    for example in examples:
        by_question[example.question.casefold(), example.passages].append(example)
    for alike in by_question.values():
        answers = {example.answer and example.answer.casefold() for example in alike}
        if len(answers) > 1:
            counts.left_out["contradicts another"] += len(alike)
            continue
        counts.left_out["said before"] += len(alike) - 1
        yield alike[0]
    counts.left_out = +counts.left_out  # no reasons without a line


def split_development(
    examples: Sequence[E], *, held_out_share: float, seed: int
) -> tuple[list[E], list[E]]:
    """Examples to learn from and to judge by: those marked so, or those of a share of passages.

    A passage that answers on one side never answers on the other. Raises DataError where one side
    would be empty.
    """
    judged = [example for example in examples if example.is_development]
    if not judged:
        grounds = sorted({example.ground.text for example in examples})
        order = np.random.default_rng([seed, 2]).permutation(len(grounds))
        chosen = {grounds[index] for index in order[: round(held_out_share * len(grounds))]}
        judged = [example for example in examples if example.ground.text in chosen]
    known = set(map(id, judged))
    learnt = [example for example in examples if id(example) not in known]
    if not learnt or not judged:
        raise DataError(
            "--examples: too few passages to learn from some and to judge by others; add examples, "
            'or mark those to judge by with "split": "dev"'
        )
    return learnt, judged
