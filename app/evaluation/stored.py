"""Evaluation runs: keep, show, delete. One place decides whose they are to read. Asks nothing."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, cast

from pydantic import TypeAdapter
from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import Session

from app.answers import lock_live
from app.errors import EvaluationFinishedError, EvaluationNotFoundError
from app.evaluation.cases import EvalCase, as_lines
from app.evaluation.results import CaseResult
from app.evaluation.summary import Summary
from app.idempotency import OnceKey, claim_in
from core.access import Access, Caller
from core.database import Database
from core.evaluation_redaction import OPEN_STATES, UPLOADED, case_sources, redact_case
from core.evaluation_tables import EvaluationCaseRow, EvaluationRow, EvaluationSourceRow
from core.ids import CollectionId, EvaluationId, new_id
from core.redaction import Source
from core.tables import DocumentRow, VersionRow, now

QuestionSource = Literal["uploaded", "feedback", "generated"]
State = Literal["queued", "running", "done", "failed", "cancelled"]

_CASE: Final = TypeAdapter(EvalCase)
_RESULT: Final = TypeAdapter(CaseResult)
_SUMMARY: Final = TypeAdapter(Summary)
# What the question has of a result, or what is stored beside it.
_ELSEWHERE: Final = {"case", "sources"}


@dataclass(frozen=True, slots=True)
class Draft:
    """A question that is to be asked, and the versions whose words it and its gold hold."""

    case: EvalCase
    sources: frozenset[Source] = frozenset()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a caller wants evaluated, and how; what is None is as the service has it.

    `prompt` is name@version. `num_generated` questions are to be written where there are no drafts.
    """

    source: QuestionSource
    drafts: tuple[Draft, ...]
    prompt: str
    access: Access
    # names of the collections that it was narrowed to; None where it was not
    collections: tuple[str, ...] | None = None
    name: str | None = None
    top_k: int | None = None
    min_confidence: float | None = None
    num_generated: int = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a run failed."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A run as it stands; `asker` pays for it. `num_cases` grows while questions are written."""

    id: EvaluationId
    asker: str
    wanted: Wanted
    state: State
    num_cases: int
    num_asked: int
    num_tried: int
    manifest: dict[str, Any] | None
    summary: Summary | None
    problem: Problem | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether it has not come to its end."""
        return self.state in OPEN_STATES

    @property
    def is_writing(self) -> bool:
        """Whether its questions are still being written."""
        return self.is_open and self.num_asked == 0 and self.num_cases < self.wanted.num_generated


class Evaluations:
    """Every query on evaluation runs that a caller makes. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, caller: Caller, wanted: Wanted, key: OnceKey | None = None) -> Evaluation:
        """Queue a run, without drafts of what was deleted. Raises `KeyTakenError` for its key."""
        ids = wanted.access.collection_ids
        with self._database.session_scope() as session:
            row = EvaluationRow(
                id=new_id("evl"),
                asker=caller.name,
                name=wanted.name,
                source=wanted.source,
                collections=None if wanted.collections is None else list(wanted.collections),
                collection_ids=None if ids is None else sorted(ids),
                top_k=wanted.top_k,
                min_confidence=wanted.min_confidence,
                prompt=wanted.prompt,
                num_wanted=wanted.num_generated,
                num_cases=0,
                num_asked=0,
                num_tried=0,
                state="queued",
                manifest={"cases": wanted.source, "cases_sha256": _hash(wanted.drafts)},
                created_at=now(),
            )
            claim_in(session, key, row.id)
            session.add(row)
            session.flush()
            add_drafts(session, row, wanted.drafts)
        return evaluation_of(row)

    def get(self, evaluation_id: EvaluationId, caller: Caller) -> Evaluation:
        """One run. Raises `EvaluationNotFoundError`."""
        with self._database.read_scope() as session:
            return evaluation_of(_get_row(session, evaluation_id, caller))

    def cases(self, evaluation_id: EvaluationId, caller: Caller) -> list[EvalCase]:
        """The questions of a run, without those that were withdrawn. Raises as `get` does."""
        with self._database.read_scope() as session:
            row = _get_row(session, evaluation_id, caller)
            query = _cases_of(row.id).where(EvaluationCaseRow.redacted_at.is_(None))
            return [_case_of(each) for each in session.scalars(query)]

    def results(self, evaluation_id: EvaluationId, caller: Caller) -> list[CaseResult]:
        """What became of the questions that were asked, in order. Raises as `get` does."""
        with self._database.read_scope() as session:
            return results_of(session, _get_row(session, evaluation_id, caller).id)

    def cancel(self, evaluation_id: EvaluationId, caller: Caller) -> Evaluation:
        """End an open run after the question that is being asked; what was asked stays.

        Raises `EvaluationNotFoundError` and `EvaluationFinishedError`.
        """
        with self._database.session_scope() as session:
            row = _get_row(session, evaluation_id, caller)
            if not end_run(session, row.id, state="cancelled"):
                raise EvaluationFinishedError(f"evaluation {evaluation_id!r} has come to its end")
            session.refresh(row)
        self._database.overwrite_deleted()
        return evaluation_of(row)

    def delete(self, evaluation_id: EvaluationId, caller: Caller) -> None:
        """Forget a run with its questions and results, whether it ended or not.

        Raises `EvaluationNotFoundError`.
        """
        with self._database.session_scope() as session:
            row = _get_row(session, evaluation_id, caller)
            session.execute(delete(EvaluationRow).where(EvaluationRow.id == row.id))
        self._database.overwrite_deleted()

    def list(
        self,
        caller: Caller,
        *,
        state: State | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> list[Evaluation]:
        """The caller's, the newest first; the id of the last one is the next cursor."""
        query = select(EvaluationRow).order_by(EvaluationRow.id.desc()).limit(limit)
        if not caller.is_owner:
            query = query.where(EvaluationRow.asker == caller.name)
        if caller.access.collection_ids is not None:
            hidden = _quoted_collections().where(
                EvaluationSourceRow.evaluation_id == EvaluationRow.id,
                DocumentRow.collection_id.not_in(caller.access.collection_ids),
            )
            query = query.where(~hidden.exists())
        if state is not None:
            query = query.where(EvaluationRow.state == state)
        if cursor is not None:
            query = query.where(EvaluationRow.id < cursor)
        with self._database.read_scope() as session:
            return [evaluation_of(row) for row in session.scalars(query)]


def add_drafts(session: Session, row: EvaluationRow, drafts: Iterable[Draft]) -> None:
    """Add questions to a run, but none whose document is gone."""
    for draft in drafts:
        live = lock_live(session, draft.sources)
        if draft.sources - live.keys():
            continue
        row.num_cases += 1
        asked = _CASE.dump_python(draft.case, mode="json")
        asked["sources"] = [list(source) for source in sorted(draft.sources)]
        session.add(EvaluationCaseRow(evaluation_id=row.id, number=row.num_cases, asked=asked))
        session.flush()
        _add_sources(session, row.id, row.num_cases, live.values())


def _hash(drafts: Sequence[Draft]) -> str | None:
    """SHA-256 of the questions as an evaluation file; None where they are still to be written."""
    if not drafts:
        return None
    text = as_lines(draft.case.as_row() for draft in drafts)
    return hashlib.sha256(text.encode()).hexdigest()


def next_case(session: Session, evaluation_id: str) -> tuple[int, EvalCase] | None:
    """The first question that was not asked yet, and its number."""
    waiting = _cases_of(evaluation_id).where(EvaluationCaseRow.result.is_(None)).limit(1)
    row = session.scalars(waiting).first()
    return None if row is None else (row.number, _case_of(row))


class RunEndedError(Exception):
    """The run was cancelled or deleted by somebody else."""


def get_open(session: Session, evaluation_id: str) -> EvaluationRow:
    """The row of an open run, held until this transaction ends. Raises `RunEndedError`."""
    query = select(EvaluationRow).where(
        EvaluationRow.id == evaluation_id, EvaluationRow.state.in_(OPEN_STATES)
    )
    row = session.scalars(query.with_for_update()).one_or_none()
    if row is None:
        raise RunEndedError
    return row


def keep_result(session: Session, evaluation_id: str, number: int, result: CaseResult) -> None:
    """Store what became of a question, without the words of what was deleted meanwhile.

    Raises `RunEndedError`.
    """
    case = session.get(EvaluationCaseRow, (evaluation_id, number))
    if case is None:
        raise RunEndedError
    held = {*result.sources, *case_sources(case.asked, None)}
    # versions before the run, as a deletion does: each would wait for the other
    live = lock_live(session, held)
    row = get_open(session, evaluation_id)
    session.refresh(case)
    # what has a result already lost its document while it was asked
    if case.result is None:
        _keep(session, case, result, live, is_own=row.source == UPLOADED)
    row.num_asked = _count_results(session, evaluation_id)


def _keep(
    session: Session,
    case: EvaluationCaseRow,
    result: CaseResult,
    live: Mapping[Source, str],
    *,
    is_own: bool,
) -> None:
    held = {*result.sources, *case_sources(case.asked, None)}
    stored = _RESULT.dump_python(result, mode="json", exclude=_ELSEWHERE)
    asked = {**case.asked, "sources": [list(source) for source in sorted(held)]}
    if is_own and not result.gold_is_found:
        # nobody knows from where it is, so nobody could take it out again
        asked["gold_quote"] = ""
    is_whole = held <= live.keys()
    if not is_whole:
        asked, stored = redact_case(asked, stored, is_own=is_own)
        case.redacted_at = now()
    case.asked, case.result = asked, stored
    session.execute(
        delete(EvaluationSourceRow).where(
            EvaluationSourceRow.evaluation_id == case.evaluation_id,
            EvaluationSourceRow.number == case.number,
        )
    )
    _add_sources(session, case.evaluation_id, case.number, live.values() if is_whole else ())


def end_run(
    session: Session, evaluation_id: str, *, state: State, problem: Problem | None = None
) -> bool:
    """End a run that is open; whether it was. Questions that were not asked are dropped."""
    ended = session.execute(
        update(EvaluationRow)
        .where(EvaluationRow.id == evaluation_id, EvaluationRow.state.in_(OPEN_STATES))
        .values(
            state=state,
            finished_at=now(),
            error_code=problem and problem.code,
            error_message=problem and problem.message,
        )
    )
    session.execute(
        delete(EvaluationCaseRow).where(
            EvaluationCaseRow.evaluation_id == evaluation_id, EvaluationCaseRow.result.is_(None)
        )
    )
    return bool(getattr(ended, "rowcount", 0))


def results_of(session: Session, evaluation_id: str) -> list[CaseResult]:
    """What became of the questions that were asked, in order."""
    query = _cases_of(evaluation_id).where(EvaluationCaseRow.result.is_not(None))
    return [
        _RESULT.validate_python({**(row.result or {}), "case": row.asked, "sources": ()})
        for row in session.scalars(query)
    ]


def _count_results(session: Session, evaluation_id: str) -> int:
    """How many questions were asked."""
    query = select(func.count()).where(
        EvaluationCaseRow.evaluation_id == evaluation_id, EvaluationCaseRow.result.is_not(None)
    )
    return session.scalar(query) or 0


def summary_as_json(summary: Summary) -> dict[str, Any]:
    """Figures as they are stored."""
    return cast(dict[str, Any], _SUMMARY.dump_python(summary, mode="json"))


def evaluation_of(row: EvaluationRow) -> Evaluation:
    """The row as plain data."""
    ids = row.collection_ids
    access = Access(None if ids is None else frozenset(map(CollectionId, ids)))
    return Evaluation(
        id=EvaluationId(row.id),
        asker=row.asker,
        wanted=Wanted(
            source=cast(QuestionSource, row.source),
            drafts=(),
            prompt=row.prompt,
            name=row.name,
            collections=None if row.collections is None else tuple(row.collections),
            access=access,
            top_k=row.top_k,
            min_confidence=row.min_confidence,
            num_generated=row.num_wanted,
        ),
        state=cast(State, row.state),
        num_cases=row.num_cases,
        num_asked=row.num_asked,
        num_tried=row.num_tried,
        manifest=row.manifest,
        summary=None if row.summary is None else _SUMMARY.validate_python(row.summary),
        problem=Problem(row.error_code, row.error_message or "") if row.error_code else None,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _get_row(session: Session, evaluation_id: EvaluationId, caller: Caller) -> EvaluationRow:
    """The row of a run that is the caller's to read. Raises `EvaluationNotFoundError`."""
    row = session.get(EvaluationRow, evaluation_id)
    quoted = _quoted_collections().where(EvaluationSourceRow.evaluation_id == evaluation_id)
    collections = [CollectionId(each) for each in session.scalars(quoted.distinct())]
    if row is None or not caller.may_read(row.asker, collections):
        raise EvaluationNotFoundError(f"there is no evaluation {evaluation_id!r}")
    return row


def _quoted_collections() -> Select[str]:
    return (
        select(DocumentRow.collection_id)
        .join(VersionRow, VersionRow.document_id == DocumentRow.id)
        .join(EvaluationSourceRow, EvaluationSourceRow.version_id == VersionRow.id)
    )


def _cases_of(evaluation_id: str) -> Select[EvaluationCaseRow]:
    of_run = EvaluationCaseRow.evaluation_id == evaluation_id
    return select(EvaluationCaseRow).where(of_run).order_by(EvaluationCaseRow.number)


def _case_of(row: EvaluationCaseRow) -> EvalCase:
    return _CASE.validate_python(row.asked)


def _add_sources(
    session: Session, evaluation_id: str, number: int, version_ids: Iterable[str]
) -> None:
    session.add_all(
        EvaluationSourceRow(evaluation_id=evaluation_id, number=number, version_id=each)
        for each in set(version_ids)
    )
