"""Evaluation files: a question a line, read strictly. Names every line at fault, asks nothing."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.errors import CimientoError
from generation.language import Language, question_language
from generation.question_kinds import asked_kinds

_MAX_TOLD: Final = 20
_MAX_LINE_CHARS: Final = 200_000

Review = Literal["accepted", "rejected", "pending"]


class BadEvaluationFileError(CimientoError):
    """A line of an evaluation file is no question with its gold; the message names the lines."""

    code = "bad_evaluation_file"


@dataclass(frozen=True, slots=True)
class GoldSpan:
    """Where a gold quote stands in the text of a version: for who reviews it, judged by nothing."""

    document_id: str
    version: int
    page: int | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class EvalCase:
    """A question and what is known of its answer; what is empty is not judged by.

    `gold_documents` are ids or names of documents, `gold_quote` the words that the answer rests on.
    """

    question: str
    answers: tuple[str, ...]
    gold_documents: tuple[str, ...]
    gold_quote: str
    is_answerable: bool
    language: Language
    line: int
    gold_span: GoldSpan | None = None

    @property
    def has_gold(self) -> bool:
        """Whether anything says what a right answer is."""
        return bool(self.answers or self.gold_documents or self.gold_quote)

    @property
    def can_be_judged(self) -> bool:
        """Whether anything says what is right, be it a refusal."""
        return self.has_gold or not self.is_answerable

    @property
    def gold_texts(self) -> tuple[str, ...]:
        """Texts of which one is in every passage that the answer can be read off."""
        return (self.gold_quote,) if self.gold_quote else self.answers

    @property
    def kind(self) -> str:
        """What the question asks for, told by its words."""
        return next(asked_kinds(self.question), "other")

    def as_row(self) -> dict[str, object]:
        """A line of an evaluation file that reads as this case."""
        row: dict[str, object] = {"question": self.question, "lang": self.language}
        if self.answers:
            row["answers"] = list(self.answers)
        if self.gold_documents:
            row["gold_doc_ids"] = list(self.gold_documents)
        if self.gold_quote:
            row["gold_quote"] = self.gold_quote
        if self.gold_span:
            row["gold_span"] = asdict(self.gold_span)
        return {**row, "answerable": self.is_answerable}


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    question: str = Field(min_length=1, max_length=4000)
    answers: list[str] = Field(default_factory=list)
    gold_doc_ids: list[str] = Field(default_factory=list)
    gold_quote: str = ""
    gold_span: GoldSpan | None = None
    answerable: bool = True
    lang: Language | None = None
    review: Review | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "_Line":
        if not self.answerable and (self.answers or self.gold_quote):
            raise ValueError("it is not answerable, and has an answer or a gold_quote")
        if not all(self.answers):
            raise ValueError("answers: one of them is empty")
        return self


def load_cases(path: Path) -> list[EvalCase]:
    """Read an evaluation file; lines that a review rejected are left out.

    Raises `BadEvaluationFileError` for a file that cannot be read, and as `read_cases` does.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadEvaluationFileError(f"{path} cannot be read: {error.strerror}") from error
    return read_cases(data, name=str(path))


def read_cases(data: bytes, *, name: str) -> list[EvalCase]:
    """Read the bytes of an evaluation file, which messages call `name`.

    Raises `BadEvaluationFileError` where there is no question, or where lines are at fault, of
    which it names the first twenty.
    """
    faults: list[str] = []
    cases: list[EvalCase] = []
    for number, text in _lines(data):
        try:
            line = _Line.model_validate(_parse(text))
        except (ValueError, ValidationError) as error:
            faults.append(f"line {number}: {_tell(error)}")
            continue
        if line.review != "rejected":
            cases.append(_case(line, number))
    if faults:
        shown = faults[:_MAX_TOLD]
        more = [f"and {len(faults) - len(shown)} more lines"] if len(faults) > len(shown) else []
        raise BadEvaluationFileError(f"{name}: " + "; ".join(shown + more))
    if not cases:
        raise BadEvaluationFileError(f"{name} holds no question; write one JSON object a line")
    return cases


def _lines(data: bytes) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        # what is no UTF-8 becomes a character that no JSON of ours holds, and is told with its line
        text = line.decode("utf-8", errors="replace").strip()
        if text:
            yield number, text


def _parse(text: str) -> Any:
    if len(text) > _MAX_LINE_CHARS:
        raise ValueError(f"it is longer than {_MAX_LINE_CHARS} characters")
    if "\ufffd" in text:
        raise ValueError("it is not UTF-8")
    if not text.startswith("{"):
        raise ValueError("it is no JSON object")
    try:
        parsed = json.loads(text)
        json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError("it holds half of a pair of surrogates") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON ({error.msg}, column {error.colno})") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return parsed


def _tell(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _case(line: _Line, number: int) -> EvalCase:
    return EvalCase(
        question=line.question,
        answers=tuple(line.answers),
        gold_documents=tuple(line.gold_doc_ids),
        gold_quote=line.gold_quote,
        is_answerable=line.answerable,
        language=line.lang or question_language(line.question),
        line=number,
        gold_span=line.gold_span,
    )


def as_lines(rows: Iterable[dict[str, object]]) -> str:
    """Rows as the text of an evaluation file."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
