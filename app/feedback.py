"""What askers think of their answers: keep it, and hand it on to evaluation and training."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import product
from typing import Any, Final, Literal, cast

from sqlalchemy import delete, select

from app.answers import StoredAnswer, collections_of, get_row, stored_of
from app.errors import FieldFault, InvalidRequestError
from core.access import Caller
from core.answer_tables import AnswerRow, FeedbackRow
from core.database import Database
from core.ids import AnswerId
from core.prompt_tables import ExampleRow
from core.redaction import Response, Source, sources_of
from core.tables import now
from generation.language import question_language

Rating = Literal["up", "down"]
ExportFormat = Literal["evaluation", "training", "pairs", "full"]
Line = dict[str, Any]

_AT_A_TIME: Final = 200


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the asker says. `wrong_citation`: the number of one that does not show its sentence."""

    rating: Rating
    correction: str | None = None
    comment: str | None = None
    wrong_citation: int | None = None


@dataclass(frozen=True, slots=True)
class GivenFeedback:
    """An opinion, and when it was given."""

    opinion: Opinion
    created_at: datetime


@dataclass(frozen=True, slots=True)
class _Judged:
    """An answer and the opinion on it, to be exported."""

    answer: StoredAnswer
    given: GivenFeedback

    @property
    def searched(self) -> str:
        """The question as it stands alone."""
        standalone: str | None = self.answer.response["standalone"]
        return standalone or self.answer.question


@dataclass(frozen=True, slots=True)
class GoldQuestion:
    """A line of an evaluation file that people's judgement makes, and whose words it may hold."""

    line: Line
    sources: frozenset[Source]


class Feedback:
    """Every query on feedback. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def give(self, answer_id: AnswerId, caller: Caller, opinion: Opinion) -> GivenFeedback:
        """Keep an opinion in place of an earlier one on the same answer.

        Raises `AnswerNotFoundError`, and `InvalidRequestError` for a citation that there is not.
        """
        with self._database.session_scope() as session:
            response = get_row(session, answer_id, caller).response
            numbers = {each["n"] for each in response["citations"]}
            if opinion.wrong_citation is not None and opinion.wrong_citation not in numbers:
                fault = FieldFault("wrong_citation", "the answer has no citation of this number")
                raise InvalidRequestError.of(fault)
            row = FeedbackRow(
                answer_id=answer_id,
                rating=opinion.rating,
                correction=opinion.correction,
                comment=opinion.comment,
                wrong_citation=opinion.wrong_citation,
                created_at=now(),
            )
            session.merge(row)
            # what was approved may not be what is thought now: somebody has to look again
            session.execute(delete(ExampleRow).where(ExampleRow.answer_id == answer_id))
        return _given(row)

    def find(self, answer_id: AnswerId) -> GivenFeedback | None:
        """What was said of an answer; the caller has made sure that it is theirs to read."""
        with self._database.read_scope() as session:
            row = session.get(FeedbackRow, answer_id)
        return None if row is None else _given(row)

    def export(self, form: ExportFormat) -> Iterator[Line]:
        """One object for every answer that was judged and is of use in this form; oldest first.

        Of an answer that rested on what was deleted since, nothing goes to evaluation or training.
        """
        return _FORMS[form](self._judged(Caller.owner()))

    def gold(self, caller: Caller) -> list[GoldQuestion]:
        """Questions with their gold, of answers that the caller may read; oldest first.

        Of what was asked more than once, the last opinion.
        """
        found = {}
        for judged in self._judged(caller):
            line = _for_evaluation(judged)
            if line is not None:
                sources = frozenset(sources_of(judged.answer.response))
                found[line["question"]] = GoldQuestion(line, sources)
        return list(found.values())

    def _judged(self, caller: Caller) -> Iterator[_Judged]:
        last = ""
        while True:
            query = (
                select(AnswerRow, FeedbackRow)
                .join(FeedbackRow, FeedbackRow.answer_id == AnswerRow.id)
                .where(AnswerRow.id > last)
                .order_by(AnswerRow.id)
                .limit(_AT_A_TIME)
            )
            with self._database.read_scope() as session:
                rows = session.execute(query).all()
                places = collections_of(session, [answer.id for answer, _ in rows])
            if not rows:
                return
            for answer, feedback in rows:
                if caller.may_read(answer.asker, places[answer.id]):
                    yield _Judged(stored_of(answer), _given(feedback))
            last = rows[-1][0].id


def _full(judged: _Judged) -> Line:
    opinion, response = judged.given.opinion, judged.answer.response
    return {
        "answer_id": judged.answer.id,
        "question": judged.answer.question,
        "standalone": response["standalone"],
        "status": judged.answer.status,
        "answer": response["answer"],
        "citations": response["citations"],
        "withdrawn": response["withdrawn"],
        "rating": opinion.rating,
        "correction": opinion.correction,
        "comment": opinion.comment,
        "wrong_citation": opinion.wrong_citation,
        "created_at": judged.given.created_at.isoformat(),
    }


def _for_evaluation(judged: _Judged) -> Line | None:
    """A question with its gold: the correction, else what a good answer cited, else a refusal."""
    opinion = judged.given.opinion
    line: Line = {"question": judged.searched, "lang": question_language(judged.searched)}
    if judged.answer.redacted_at is not None:
        return None
    if opinion.correction:
        return {**line, "answers": [opinion.correction], "answerable": True}
    if opinion.rating == "down":
        return None  # what would have been right is not known
    if judged.answer.status == "refused":
        return {**line, "answerable": False}
    cited = _good_citations(judged)
    if not cited:
        return None
    documents = list(dict.fromkeys(each["document_id"] for each in cited))
    quote = cited[0]["quote"]
    return {**line, "gold_doc_ids": documents, "gold_quote": quote, "answerable": True}


def _for_training(judged: _Judged) -> Line | None:
    """A question, the passages that were found, and what is to be answered from them."""
    gold = _for_evaluation(judged)
    if gold is None:
        return None
    answers = gold.get("answers") or [each["quote"] for each in _good_citations(judged)]
    return {
        "id": judged.answer.id,
        "lang": gold["lang"],
        "question": gold["question"],
        "context": "\n\n".join(each["text"] for each in judged.answer.response["passages"]),
        "answers": answers if gold["answerable"] else [],
        "answerable": gold["answerable"],
        "source": "feedback",
    }


def _pairs(judged: Iterable[_Judged]) -> Iterator[Line]:
    """Two replies to a question, of which people called one better.

    A correction is better than what it corrects; of answers to one question, each that was called
    good is better than each that was called bad.
    """
    good: defaultdict[str, list[_Judged]] = defaultdict(list)
    bad: defaultdict[str, list[_Judged]] = defaultdict(list)
    for each in judged:
        if each.answer.redacted_at is not None:
            continue
        if each.given.opinion.correction:
            yield _pair(each, each.given.opinion.correction, _reply(each))
        elif each.given.opinion.rating == "up":
            good[each.searched.casefold()].append(each)
        if each.given.opinion.rating == "down":
            bad[each.searched.casefold()].append(each)
    for question, better in good.items():
        for one, other in product(better, bad[question]):
            if _reply(one) != _reply(other):
                yield _pair(one, _reply(one), _reply(other))


def _reply(judged: _Judged) -> str | None:
    """What was answered; None for a refusal."""
    if judged.answer.status == "refused":
        return None
    text: str = judged.answer.response["answer"]
    return text


def _pair(judged: _Judged, chosen: str | None, rejected: str | None) -> Line:
    return {
        "id": judged.answer.id,
        "lang": question_language(judged.searched),
        "question": judged.searched,
        "passages": [
            {"name": place_in_words(each), "text": each["text"]}
            for each in judged.answer.response["passages"]
        ],
        "chosen": chosen,
        "rejected": rejected,
        "source": "feedback",
    }


def place_in_words(passage: Response) -> str:
    """Where a passage of an answer stands, as `Passage.place` has it."""
    return " > ".join(filter(None, (passage["document_name"], passage["heading"])))


def _good_citations(judged: _Judged) -> list[Response]:
    wrong = judged.given.opinion.wrong_citation
    return [each for each in judged.answer.response["citations"] if each["n"] != wrong]


def _each(make: Callable[[_Judged], Line | None], judged: Iterable[_Judged]) -> Iterator[Line]:
    return (line for line in map(make, judged) if line is not None)


_FORMS: Final[Mapping[ExportFormat, Callable[[Iterable[_Judged]], Iterator[Line]]]] = {
    "evaluation": partial(_each, _for_evaluation),
    "training": partial(_each, _for_training),
    "pairs": _pairs,
    "full": partial(_each, _full),
}


def opinion_of(row: FeedbackRow) -> Opinion:
    """The row as plain data."""
    return Opinion(cast(Rating, row.rating), row.correction, row.comment, row.wrong_citation)


def _given(row: FeedbackRow) -> GivenFeedback:
    return GivenFeedback(opinion_of(row), row.created_at)
