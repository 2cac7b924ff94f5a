"""Evaluation runs in the background: one at a time, a question at a time, beside people who ask.

Every result is stored as it comes: a run whose process died goes on with its next question in the
process that comes after. Of several processes over one data folder, one works.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

import structlog
from sqlalchemy import select

from app.answers import lock_live
from app.asking import options_for
from app.errors import internal_problem
from app.evaluation.generating import Tried, try_passages
from app.evaluation.library import GoldLibrary
from app.evaluation.reports import build_manifest
from app.evaluation.running import Asking, InterruptedCaseError, run_case
from app.evaluation.stored import (
    Draft,
    Evaluation,
    Evaluations,
    Problem,
    RunEndedError,
    add_drafts,
    end_run,
    evaluation_of,
    get_open,
    keep_result,
    next_case,
    results_of,
    summary_as_json,
)
from app.evaluation.summary import summarise
from app.services import Services
from core.access import Caller
from core.errors import AlreadyRunningError, CimientoError
from core.evaluation_redaction import OPEN_STATES
from core.evaluation_tables import EvaluationRow
from core.locks import file_lock
from core.redaction import Source
from core.tables import now

_log = structlog.get_logger()

_LOOK_EVERY_S: Final = 5.0
# Before a question that failed is asked again; after these the run fails.
_PAUSES_S: Final = (1.0, 5.0, 25.0)
# What may change while a run goes on without making its figures mean something else.
_MAY_CHANGE: Final = ("written_at", "index_generation", "cases_sha256")

T = TypeVar("T")


class NoQuestionsError(CimientoError):
    """There is nothing to ask: nothing could be generated, or nobody judged an answer."""

    code = "no_questions"


class EvaluationOutdatedError(CimientoError):
    """What makes answers has changed since the run began: its figures would be of two services."""

    code = "evaluation_outdated"


class EvaluationRunner:
    """Works off the runs that are queued. For one thread; `start` makes one."""

    def __init__(self, services: Services) -> None:
        self.stored = Evaluations(services.database)
        self._services = services
        self._database = services.database
        self._lock_path = services.settings.data_dir / "evaluations.lock"
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Work from now on, in a thread that ends with the process or with `stop`."""
        self._thread = threading.Thread(target=self._work, name="evaluations", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Drop the question that is being asked; the run goes on where this is started again."""
        self._stopping.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join()

    def wake(self) -> None:
        """Look now: something was queued."""
        self._woken.set()

    def run_queued(self) -> None:
        """Work off all that is queued, unless another process does."""
        try:
            with file_lock(self._lock_path, doing="runs evaluations", wait_s=0.0):
                while not self._stopping.is_set() and (run := self._take()) is not None:
                    self._run(run)
        except AlreadyRunningError:
            return

    def _work(self) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                self.run_queued()
            except Exception as error:  # noqa: BLE001 - the loop records and goes on
                _log.warning("evaluations_failed", error=repr(error))
            self._woken.wait(_LOOK_EVERY_S)

    def _take(self) -> Evaluation | None:
        """The oldest open run, begun by this process or by one that died."""
        is_open = select(EvaluationRow).where(EvaluationRow.state.in_(OPEN_STATES))
        oldest = is_open.order_by(EvaluationRow.id).limit(1)
        with self._database.read_scope() as session:
            if session.scalars(oldest).first() is None:
                return None
        with self._database.session_scope() as session:
            row = session.scalars(oldest.with_for_update()).first()
            if row is None:
                return None
            row.state = "running"
            row.started_at = row.started_at or now()
        return evaluation_of(row)

    def _run(self, run: Evaluation) -> None:
        _log.info("evaluation_started", evaluation=run.id, num_asked=run.num_asked)
        try:
            asking = self._how(run)
            self._begin(run, asking)
            self._write_questions(run, asking)
            self._ask(run, asking)
            self._finish(run)
        except (RunEndedError, InterruptedCaseError):
            return
        except CimientoError as error:
            self._fail(run, Problem(error.code, str(error)))
        except Exception:  # noqa: BLE001 - logged in full; the run must end, and say that it did
            _log.exception("evaluation_crashed", evaluation=run.id)
            told = internal_problem(run.id)
            self._fail(run, Problem(str(told["code"]), str(told["detail"])))

    def _how(self, run: Evaluation) -> Asking:
        wanted, settings = run.wanted, self._services.settings
        # whoever started the run could see the prompt
        options = options_for(
            self._services, wanted.access, caller=Caller.owner(), prompt=wanted.prompt
        )
        if wanted.min_confidence is not None:
            options = replace(options, min_confidence=wanted.min_confidence)
        return Asking(wanted.access, wanted.top_k or settings.retrieval.top_k, options)

    def _begin(self, run: Evaluation, asking: Asking) -> None:
        """Note what the figures will depend on; where a run goes on, all of it must be the same."""
        made = build_manifest(self._services, asking, name=run.wanted.source, sha256=None)
        with self._database.session_scope() as session:
            row = get_open(session, run.id)
            earlier = row.manifest or {}
            changed = [
                key for key in made if key not in _MAY_CHANGE and earlier.get(key) != made[key]
            ]
            if "written_at" not in earlier:
                row.manifest = {**made, **earlier}
            elif changed:
                raise EvaluationOutdatedError(
                    f"changed since the run began: {', '.join(changed)}; start it again"
                )

    def _write_questions(self, run: Evaluation, asking: Asking) -> None:
        number = run.wanted.num_generated
        if run.num_cases >= number:
            return
        self._refuse_asker(run)
        for tried in try_passages(self._services, asking.access, number, after=run.num_tried):
            if self._stopping.is_set():
                raise InterruptedCaseError
            if self._add(run, tried) == number:
                break
            self._refuse_asker(run)

    def _add(self, run: Evaluation, tried: Tried) -> int:
        """Store how far it came; how many questions there are by now."""
        self._services.doors.usage.add(run.asker, tried.num_tokens)
        written = tried.question
        with self._database.session_scope() as session:
            sources = frozenset[Source]()
            if written is not None:
                passage = written.gold.passage
                sources = frozenset({(passage.document_id, passage.version)})
            # versions before the run, as a deletion does: each would wait for the other
            lock_live(session, sources)
            row = get_open(session, run.id)
            row.num_tried = tried.number
            if written is not None:
                add_drafts(session, row, [Draft(written.as_case(row.num_cases + 1), sources)])
            return row.num_cases

    def _ask(self, run: Evaluation, asking: Asking) -> None:
        library = GoldLibrary(self._database, asking.access)
        while True:
            with self._database.read_scope() as session:
                found = next_case(session, run.id)
            if found is None:
                return
            number, case = found
            self._refuse_asker(run)
            ask = partial(run_case, self._services, case, asking, library, self._stopping.is_set)
            result = self._patiently(ask)
            self._services.doors.usage.add(run.asker, result.num_prompt_tokens + result.num_tokens)
            with self._database.session_scope() as session:
                keep_result(session, run.id, number, result)

    def _refuse_asker(self, run: Evaluation) -> None:
        """Before every question: whoever started the run pays for it, and may not be there now."""
        self._services.credentials.refuse_gone(run.asker)
        self._services.doors.usage.refuse_overspent(run.asker)

    def _patiently(self, do: Callable[[], T]) -> T:
        for pause_s in _PAUSES_S:
            try:
                return do()
            except CimientoError as error:
                if not error.retryable:
                    raise
                if self._stopping.wait(pause_s):
                    raise InterruptedCaseError from error
        return do()

    def _finish(self, run: Evaluation) -> None:
        with self._database.read_scope() as session:
            results = results_of(session, run.id)
        if not results:
            raise NoQuestionsError(
                "no passage gave a question, or all that was to be asked is gone"
            )
        # seconds of resampling: in no transaction
        summary = summary_as_json(summarise(results))
        with self._database.session_scope() as session:
            row = get_open(session, run.id)
            row.summary = summary
            row.state, row.finished_at = "done", now()
        _log.info("evaluation_ended", evaluation=run.id, state="done", num_asked=len(results))

    def _fail(self, run: Evaluation, problem: Problem) -> None:
        if self._stopping.is_set():
            return  # what is taken down fails; the run goes on later
        with self._database.session_scope() as session:
            end_run(session, run.id, state="failed", problem=problem)
        _log.warning("evaluation_ended", evaluation=run.id, state="failed", code=problem.code)
