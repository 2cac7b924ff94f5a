"""A run as one JSON with its manifest, and as files: written whole and read back strictly."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from app.evaluation.cases import EvalCase
from app.evaluation.judging import Stage
from app.evaluation.page import render_page
from app.evaluation.results import CaseResult
from app.evaluation.running import Asking, run_cases
from app.evaluation.summary import SEED, Summary, summarise
from app.files import require_writable, write_text
from app.receipts import HowAsked, Made
from app.services import Services
from core.errors import CimientoError

_FORMAT: Final = 1
NUM_WORST: Final = 20
# What costs an owner most comes first: a wrong answer, then a lost one, then a refusal.
_WEIGHT: Final[Mapping[Stage, int]] = {
    Stage.WRONG: 0,
    Stage.NOT_REFUSED: 0,
    Stage.MISCITED: 1,
    Stage.UNUSED: 2,
    Stage.WRONGLY_REFUSED: 3,
    Stage.LOST_IN_RANKING: 4,
    Stage.NOT_RETRIEVED: 4,
    Stage.NOT_CHUNKED_WHOLE: 5,
    Stage.NOT_INGESTED: 6,
}

Manifest = dict[str, Any]
"""What the figures of a run depend on, by name."""


class BadEvaluationReportError(CimientoError):
    """A file is no report of `cimiento eval run`, or one that this version cannot read."""

    code = "bad_evaluation_report"


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is done: its report, its figures, and where they are written."""

    report: dict[str, Any]
    summary: Summary
    json_path: Path
    page_path: Path


class StoredCase(BaseModel):
    """What a comparison needs of one case."""

    model_config = ConfigDict(extra="ignore")

    question: str
    answerable: bool
    stage: str
    measures: dict[str, float]
    withdrawn: bool = False


class StoredReport(BaseModel):
    """What a comparison needs of a report."""

    model_config = ConfigDict(extra="ignore")

    format: int
    manifest: dict[str, Any]
    cases: list[StoredCase]


def run_and_write(
    services: Services,
    cases: Sequence[EvalCase],
    asking: Asking,
    *,
    source: Path,
    folder: Path,
    on_asked: Callable[[int], None] = lambda _count: None,
) -> Run:
    """Ask every case, judge, and write `report.json` and `report.html` into the folder.

    Raises `UnwritableFileError`, before anything is asked.
    """
    json_path, page_path = folder / "report.json", folder / "report.html"
    for path in (json_path, page_path):
        require_writable(path)
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    manifest = build_manifest(services, asking, name=source.name, sha256=sha256)
    results = run_cases(services, cases, asking, on_asked=on_asked)
    summary = summarise(results)
    report = as_json(manifest, results, summary)
    write_text(json_path, dump(report))
    write_text(page_path, render_page(manifest, summary, worst(results), len(results)))
    return Run(report, summary, json_path, page_path)


def build_manifest(
    services: Services, asking: Asking, *, name: str, sha256: str | None
) -> Manifest:
    """What the figures depend on: without it two runs cannot be compared.

    `sha256` is that of the evaluation file, which `name` tells from others.
    """
    made = asdict(Made.of(services, asking.options))
    asked = asdict(HowAsked.of(asking.options, top_k=asking.top_k, where=None))
    del asked["where"]  # cases are asked without a filter
    del asked["sampling"]["adapter"]  # is among what made it
    return {
        "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cimiento": made.pop("build"),
        "cases": name,
        "cases_sha256": sha256,
        "index_generation": services.retriever.generation(),
        **made,
        **asked,
        "seed": SEED,
    }


def as_json(manifest: Manifest, results: Sequence[CaseResult], summary: Summary) -> dict[str, Any]:
    """The whole report."""
    return {
        "format": _FORMAT,
        "manifest": manifest,
        "figures": {
            group: {name: asdict(figure) for name, figure in figures.items()}
            for group, figures in summary.groups.items()
        },
        "funnel": dict(summary.funnel),
        # points of coverage and risk
        "curves": {name: list(map(list, curve)) for name, curve in summary.curves.items()},
        "costs_ms": dict(summary.costs_ms),
        "tokens_per_s": summary.tokens_per_s,
        "worst": [item.case.line for item in worst(results)],
        "cases": [_case(item) for item in results],
    }


def worst(results: Sequence[CaseResult]) -> list[CaseResult]:
    """The cases that were lost, the costliest first and among these the surest: twenty at most.

    Those whose words were withdrawn have nothing to show.
    """
    lost = [item for item in results if item.stage in _WEIGHT and not item.is_withdrawn]
    ordered = sorted(lost, key=lambda item: (_WEIGHT[item.stage], -item.confidence))
    return ordered[:NUM_WORST]


def load_report(path: Path) -> StoredReport:
    """Read a report. Raises `BadEvaluationReportError`."""
    try:
        report = StoredReport.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadEvaluationReportError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadEvaluationReportError(
            f"{path} is no report of 'cimiento eval run': {place or 'the file'}: {first['msg']}"
        ) from error
    if report.format != _FORMAT:
        raise BadEvaluationReportError(
            f"{path} has format {report.format}, this version reads {_FORMAT}; run it again"
        )
    return report


def stored_report(report: dict[str, Any]) -> StoredReport:
    """What a comparison needs of a report that was just made."""
    return StoredReport.model_validate(report)


def dump(report: dict[str, Any]) -> str:
    """A report as text."""
    return json.dumps(report, ensure_ascii=False, indent=1) + "\n"


def _case(result: CaseResult) -> dict[str, Any]:
    case = result.case
    return {
        "line": case.line,
        "question": case.question,
        "lang": case.language,
        "kind": case.kind,
        "answerable": case.is_answerable,
        "answers": list(case.answers),
        "gold_doc_ids": list(case.gold_documents),
        "gold_quote": case.gold_quote,
        "stage": result.stage.value,
        "status": result.status,
        "answer": result.text,
        "confidence": result.confidence,
        "measures": result.measures,
        "retrieve_ms": round(result.retrieve_ms, 1),
        "first_text_ms": None if result.first_text_ms is None else round(result.first_text_ms, 1),
        "total_ms": round(result.total_ms, 1),
        "tokens": result.num_tokens,
        "read": [asdict(item) for item in result.read],
        "citations": [asdict(item) for item in result.citations],
        "withdrawn": result.is_withdrawn,
    }
