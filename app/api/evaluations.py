"""Routes of evaluation runs: start, list, show, read, compare, cancel, delete."""

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.access import TheCaller
from app.api.common import TheServices, find_page, problems
from app.api.evaluation_schemas import (
    ComparisonOut,
    EvaluationOut,
    EvaluationPage,
    EvaluationRequest,
    ReportOut,
)
from app.api.once import REPLAYED, IdempotencyKey
from app.asking import narrow, options_for
from app.errors import (
    EvaluationNotFoundError,
    EvaluationRunningError,
    FieldFault,
    InvalidRequestError,
)
from app.evaluation.background import EvaluationRunner, NoQuestionsError
from app.evaluation.cases import as_lines, read_cases
from app.evaluation.comparing import compare
from app.evaluation.page import render_page
from app.evaluation.reports import StoredReport, as_json, worst
from app.evaluation.results import CaseResult
from app.evaluation.stored import (
    Draft,
    Evaluation,
    Evaluations,
    QuestionSource,
    State,
    Wanted,
)
from app.evaluation.summary import Summary, summarise
from app.idempotency import KeyTakenError, OnceKey
from app.services import Services
from core.access import Caller
from core.evaluation_redaction import UPLOADED
from core.ids import EvaluationId

router = APIRouter(tags=["evaluations"])

_MAX_QUESTIONS: Final = 1000
_HTML: Final = "text/html"
_JSON_LINES: Final = "application/jsonl"
_PAGE_HEADERS: Final = {
    # the page holds foreign text: it may style itself, and do nothing else
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox; "
    "frame-ancestors 'none'",
    "Vary": "Accept",
}


def get_runner(request: Request) -> EvaluationRunner:
    """What works off the runs of this application."""
    runner: EvaluationRunner = request.app.state.evaluations
    return runner


TheRunner = Annotated[EvaluationRunner, Depends(get_runner)]


def get_runs(runner: TheRunner) -> Evaluations:
    """The runs that are stored."""
    return runner.stored


TheRuns = Annotated[Evaluations, Depends(get_runs)]


class EvaluationQuery(BaseModel):
    """What to list; unknown parameters are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: State | None = None
    cursor: str | None = Field(default=None, max_length=64, description="Of the last page.")


class ReportQuery(BaseModel):
    """In which form; unknown parameters are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["json", "html"] | None = None


@router.post(
    "/v1/evaluations", summary="Start an evaluation", status_code=202, responses=problems(404)
)
def start_evaluation(
    body: EvaluationRequest,
    services: TheServices,
    runner: TheRunner,
    caller: TheCaller,
    response: Response,
    key: IdempotencyKey = None,
) -> EvaluationOut:
    """Queue a run. It asks question after question in the background, beside people who ask.

    A fault in `questions` is told by its line, and nothing is queued.
    """
    start = partial(_start, services, runner, body, caller)
    if key is None:
        return EvaluationOut.of(start())
    once = OnceKey.of(key, caller, body)
    while True:
        found = _look(services, runner.stored, once, caller)
        if isinstance(found, Evaluation):
            response.headers.update(REPLAYED)
            return EvaluationOut.of(found)
        with suppress(KeyTakenError):
            return EvaluationOut.of(start(found))


@router.get("/v1/evaluations", summary="List evaluations", responses=problems())
def list_evaluations(
    runs: TheRuns, caller: TheCaller, where: Annotated[EvaluationQuery, Query()]
) -> EvaluationPage:
    """Those of the key or browser that asks, the newest first."""
    found = partial(runs.list, caller, state=where.state, cursor=where.cursor)
    page, next_cursor = find_page(found)
    return EvaluationPage(items=[EvaluationOut.of(each) for each in page], next_cursor=next_cursor)


@router.get(
    "/v1/evaluations/{evaluation_id}", summary="Show an evaluation", responses=problems(404)
)
def get_evaluation(evaluation_id: str, runs: TheRuns, caller: TheCaller) -> EvaluationOut:
    """How far a run is; once it is done, its figures."""
    return EvaluationOut.of(runs.get(EvaluationId(evaluation_id), caller))


@router.get(
    "/v1/evaluations/{evaluation_id}/report",
    summary="Read an evaluation",
    response_model=ReportOut,
    responses={200: {"content": {_HTML: {}}}, **problems(404, 409)},
)
def get_report(
    evaluation_id: str,
    runs: TheRuns,
    caller: TheCaller,
    query: Annotated[ReportQuery, Query()],
    accept: Annotated[str, Header()] = "",
) -> Any:
    """The report of a run that has ended, without the words of what was deleted since.

    A page with plots where `format` is `html`, or where nothing is said and `Accept` names
    `text/html`. Of a run that failed or was cancelled, the report is of what was asked.
    """
    ended = _load(runs, EvaluationId(evaluation_id), caller)
    if query.format == "html" or (query.format is None and _HTML in accept):
        return Response(ended.page(), media_type=_HTML, headers=_PAGE_HEADERS)
    return ended.report()


@router.get(
    "/v1/evaluations/{evaluation_id}/questions",
    summary="Questions of an evaluation",
    response_class=Response,
    responses={200: {"content": {_JSON_LINES: {}}}, **problems(404)},
)
def get_questions(evaluation_id: str, runs: TheRuns, caller: TheCaller) -> Response:
    """The questions of a run as an evaluation file. Generated ones wait for a review."""
    run = runs.get(EvaluationId(evaluation_id), caller)
    review = {"review": "pending"} if run.wanted.source == "generated" else {}
    cases = runs.cases(run.id, caller)
    lines = as_lines({**case.as_row(), **review} for case in cases)
    return Response(lines, media_type=_JSON_LINES)


@router.get(
    "/v1/evaluations/{evaluation_id}/comparison",
    summary="Compare two evaluations",
    responses=problems(404, 409),
)
def compare_evaluations(
    evaluation_id: str,
    runs: TheRuns,
    caller: TheCaller,
    before: Annotated[str, Query(max_length=64, description="Id of the earlier run.")],
) -> ComparisonOut:
    """What changed since another run on the same questions, and whether chance explains it."""
    ids = EvaluationId(before), EvaluationId(evaluation_id)
    earlier, later = (
        StoredReport.model_validate(_load(runs, each, caller).report()) for each in ids
    )
    return ComparisonOut.of(compare(earlier, later), before=ids[0], after=ids[1])


@router.post(
    "/v1/evaluations/{evaluation_id}/cancel",
    summary="Cancel an evaluation",
    responses=problems(404, 409),
)
def cancel_evaluation(evaluation_id: str, runs: TheRuns, caller: TheCaller) -> EvaluationOut:
    """End an open run after the question that is being asked. What was asked stays."""
    return EvaluationOut.of(runs.cancel(EvaluationId(evaluation_id), caller))


@router.delete(
    "/v1/evaluations/{evaluation_id}",
    summary="Delete an evaluation",
    status_code=204,
    responses=problems(404),
)
def delete_evaluation(evaluation_id: str, runs: TheRuns, caller: TheCaller) -> Response:
    """Forget a run, with its questions and results. One that runs ends with it."""
    runs.delete(EvaluationId(evaluation_id), caller)
    return Response(status_code=204)


class _Ended:
    """A run that has ended, to be shown."""

    def __init__(self, run: Evaluation, results: list[CaseResult]) -> None:
        self._manifest = run.manifest or {}
        self._results = results
        self._summary: Summary = run.summary or summarise(results)

    def report(self) -> dict[str, Any]:
        return as_json(self._manifest, self._results, self._summary)

    def page(self) -> str:
        return render_page(self._manifest, self._summary, worst(self._results), len(self._results))


def _load(runs: Evaluations, evaluation_id: EvaluationId, caller: Caller) -> _Ended:
    run = runs.get(evaluation_id, caller)
    if run.is_open:
        raise EvaluationRunningError(f"evaluation {evaluation_id!r} is {run.state}: wait for it")
    results = runs.results(evaluation_id, caller)
    if not results:
        raise NoQuestionsError(f"evaluation {evaluation_id!r} ended before a question was asked")
    return _Ended(run, results)


def _start(
    services: Services,
    runner: EvaluationRunner,
    body: EvaluationRequest,
    caller: Caller,
    key: OnceKey | None = None,
) -> Evaluation:
    run = runner.stored.create(caller, _want(services, body, caller), key)
    runner.wake()
    return run


def _look(
    services: Services, runs: Evaluations, key: OnceKey, caller: Caller
) -> Evaluation | OnceKey:
    """The run that was started under the key; where one is to be, the key to start it with."""
    run_id = services.idempotency.find(key)
    if run_id is None:
        return key
    try:
        return runs.get(EvaluationId(run_id), caller)
    except EvaluationNotFoundError:
        return replace(key, instead_of=run_id)


def _want(services: Services, body: EvaluationRequest, caller: Caller) -> Wanted:
    source, drafts = _drafts(services, body, caller)
    access = narrow(services.collections, caller.access, body.collections)
    options = options_for(services, access, caller=caller, prompt=body.prompt)
    return Wanted(
        source=source,
        drafts=tuple(drafts),
        # which version it is now: a later one may come while the run waits
        prompt=options.prompt.reference,
        access=access,
        collections=None if body.collections is None else tuple(body.collections),
        name=body.name,
        top_k=body.top_k,
        min_confidence=body.min_confidence,
        num_generated=body.generate or 0,
    )


def _drafts(
    services: Services, body: EvaluationRequest, caller: Caller
) -> tuple[QuestionSource, list[Draft]]:
    if body.generate is not None:
        return "generated", []
    if body.from_feedback:
        judged = services.feedback.gold(caller)
        if not judged:
            raise NoQuestionsError("you judged no answer that says what is right")
        lines = as_lines(gold.line for gold in judged).encode()
        cases = read_cases(lines, name="feedback")
        pairs = zip(cases, judged, strict=True)
        return "feedback", [Draft(case, gold.sources) for case, gold in pairs][-_MAX_QUESTIONS:]
    # half of a pair of surrogates makes bytes that are told with their line
    data = (body.questions or "").encode("utf-8", errors="surrogatepass")
    cases = read_cases(data, name="questions")
    if len(cases) > _MAX_QUESTIONS:
        fault = FieldFault("questions", f"{len(cases)} of them; at most {_MAX_QUESTIONS} a run")
        raise InvalidRequestError.of(fault)
    return UPLOADED, [Draft(case) for case in cases]
