"""Evaluation files: a question a line, read strictly. Names every line at fault, asks nothing."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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

    @property
    def has_gold(self) -> bool:
        """Whether anything says what a right answer is."""
        return bool(self.answers or self.gold_documents or self.gold_quote)

    @property
    def kind(self) -> str:
        """What the question asks for, told by its words."""
        return next(asked_kinds(self.question), "other")


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    question: str = Field(min_length=1, max_length=4000)
    answers: list[str] = Field(default_factory=list)
    gold_doc_ids: list[str] = Field(default_factory=list)
    gold_quote: str = ""
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

    Raises `BadEvaluationFileError` for a file that cannot be read, holds no question, or has lines
    at fault, of which it names the first twenty.
    """
    faults: list[str] = []
    cases: list[EvalCase] = []
    for number, text in _lines(path):
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
        raise BadEvaluationFileError(f"{path}: " + "; ".join(shown + more))
    if not cases:
        raise BadEvaluationFileError(f"{path} holds no question; write one JSON object a line")
    return cases


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise BadEvaluationFileError(f"{path} cannot be read: {error.strerror}") from error
    for number, line in enumerate(data.split(b"\n"), start=1):
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
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON ({error.msg}, column {error.colno})") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


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
    )


def as_lines(rows: Sequence[dict[str, object]]) -> str:
    """Rows as the text of an evaluation file."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
