"""A run on disk: one JSON with its manifest, written whole and read back strictly."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from app.evaluation.cases import EvalCase
from app.evaluation.page import render_page
from app.evaluation.running import Asking, CaseResult, run_cases
from app.evaluation.summary import SEED, Summary, summarise
from app.receipts import HowAsked, Made
from app.services import Services
from core.errors import CimientoError

_FORMAT: Final = 1
NUM_WORST: Final = 20
# What costs an owner most comes first: a wrong answer, then a lost one, then a refusal.
_WEIGHT: Final = {
    "wrong": 0,
    "answered without an answer": 0,
    "miscited": 1,
    "in context but unused": 2,
    "wrongly refused": 3,
    "lost in ranking": 4,
    "not retrieved": 4,
    "not chunked whole": 5,
    "not ingested": 6,
}


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


class StoredReport(BaseModel):
    """What a comparison needs of a report."""

    model_config = ConfigDict(extra="ignore")

    format: int
    manifest: dict[str, Any]
    cases: list[StoredCase]


def run_and_write(
    services: Services, cases: Sequence[EvalCase], asking: Asking, *, source: Path, folder: Path
) -> Run:
    """Ask every case, judge, and write `report.json` and `report.html` into the folder."""
    results = run_cases(services, cases, asking)
    summary = summarise(results)
    manifest = build_manifest(services, asking, source)
    report = as_json(manifest, results, summary)
    json_path, page_path = folder / "report.json", folder / "report.html"
    write_text(json_path, dump(report))
    write_text(page_path, render_page(manifest, summary, worst(results), len(results)))
    return Run(report, summary, json_path, page_path)


def build_manifest(services: Services, asking: Asking, source: Path) -> dict[str, Any]:
    """What the figures depend on: without it two runs cannot be compared."""
    made = asdict(Made.of(services, asking.options.prompt))
    asked = asdict(HowAsked.of(asking.options, top_k=asking.top_k, where=None))
    del asked["where"]  # cases are asked without a filter
    return {
        "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cimiento": made.pop("build"),
        "cases": source.name,
        "cases_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "index_generation": services.retriever.generation(),
        **made,
        **asked,
        "seed": SEED,
    }


def as_json(
    manifest: dict[str, Any], results: Sequence[CaseResult], summary: Summary
) -> dict[str, Any]:
    """The whole report."""
    return {
        "format": _FORMAT,
        "manifest": manifest,
        "figures": {
            group: {name: asdict(figure) for name, figure in figures.items()}
            for group, figures in summary.groups.items()
        },
        "funnel": dict(summary.funnel),
        "costs_ms": dict(summary.costs_ms),
        "worst": [item.case.line for item in worst(results)],
        "cases": [_case(item) for item in results],
    }


def worst(results: Sequence[CaseResult]) -> list[CaseResult]:
    """The cases that were lost, the costliest first and among these the surest: twenty at most."""
    lost = [item for item in results if item.stage.value in _WEIGHT]
    ordered = sorted(lost, key=lambda item: (_WEIGHT[item.stage.value], -item.confidence))
    return ordered[:NUM_WORST]


def write_text(path: Path, text: str) -> None:
    """Write a file whole: a reader never meets half a report."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{os.getpid()}")
    half.write_text(text, encoding="utf-8")
    half.replace(path)


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
        "total_ms": round(result.total_ms, 1),
        "read": [asdict(item) for item in result.read],
        "citations": [asdict(item) for item in result.citations],
    }
