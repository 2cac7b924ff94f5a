"""`cimiento eval`: how good the service is on an owner's own questions, and what a change did."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import (
    FAILED,
    AsJson,
    errors_to_exit,
    load_cli_settings,
    open_services,
    print_json,
)
from app.cli.options import takes_options
from app.cli.search import Collections, TopK

if TYPE_CHECKING:
    from app.evaluation.comparing import Comparison
    from app.evaluation.reports import Run
    from app.services import Services

eval_app = typer.Typer(
    name="eval", help="Judge answers on questions of your own.", no_args_is_help=True
)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What is evaluated, and where it goes."""

    generate: Annotated[
        int | None,
        typer.Option(
            "--generate", min=1, max=1000, help="Write so many questions into FILE for a review."
        ),
    ] = None
    from_feedback: Annotated[
        bool,
        typer.Option("--from-feedback", help="Write what people thought of answers to FILE first."),
    ] = False
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for report.json and report.html; else beside FILE."),
    ] = None
    gate: Annotated[
        Path | None,
        typer.Option("--gate", help="An earlier report.json: exit code 1 on a significant loss."),
    ] = None


@eval_app.command("run")
@takes_options(RunOptions)
def run(
    file: Annotated[Path, typer.Argument(help="Questions, one JSON object a line.")],
    options: RunOptions,
    collections: Collections = None,
    top_k: TopK = None,
    as_json: AsJson = False,
) -> None:
    """Ask every question of FILE, judge the answers, write a report as JSON and as a page."""
    settings = load_cli_settings()
    # Late: see app.cli.context.
    from app.asking import default_options, narrow
    from app.evaluation.cases import as_lines, load_cases
    from app.evaluation.reports import run_and_write, write_text
    from app.evaluation.running import Asking
    from core.access import Access

    if options.generate or options.from_feedback:
        _refuse_existing(file)
    with errors_to_exit():
        # before the models: a fault in the file is told at once
        cases = [] if options.generate or options.from_feedback else load_cases(file)
        with open_services(settings, upgrade=False) as services:
            access = narrow(services.collections, Access.to_everything(), collections)
            if options.generate:
                _generate(services, access, file, options.generate)
                return
            if options.from_feedback:
                write_text(file, as_lines(list(services.feedback.export("evaluation"))))
                cases = load_cases(file)
            options_here = services.calibrations.applied(
                default_options(settings.generation), access
            )
            asking = Asking(access, top_k or settings.retrieval.top_k, options_here)
            done = run_and_write(
                services, cases, asking, source=file, folder=options.out or _beside(file)
            )
    if as_json:
        print_json(done.report)
    else:
        _print_run(done)
    if options.gate is not None:
        _compare(options.gate, done.json_path, gate=True, as_json=False)


@eval_app.command("compare")
def compare(
    before: Annotated[Path, typer.Argument(help="report.json of the earlier run.")],
    after: Annotated[Path, typer.Argument(help="report.json of the later run.")],
    gate: Annotated[
        bool, typer.Option("--gate", help="Exit code 1 on a significant loss.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """What changed between two runs on the same questions, and whether chance explains it."""
    _compare(before, after, gate=gate, as_json=as_json)


def _compare(before: Path, after: Path, *, gate: bool, as_json: bool) -> None:
    from app.evaluation.comparing import compare as compare_reports

    with errors_to_exit():
        found = compare_reports(before, after)
    if as_json:
        print_json({**asdict(found), "losses": found.losses})
    else:
        _print_comparison(found)
    if gate and found.losses:
        typer.echo(f"significant loss: {', '.join(found.losses)}", err=True)
        raise typer.Exit(FAILED)


def _generate(services: "Services", access: Any, file: Path, number: int) -> None:
    from app.evaluation.cases import as_lines
    from app.evaluation.generating import write_questions
    from app.evaluation.reports import write_text

    written = write_questions(
        services, access, number, on_tried=lambda count: _tell(f"passage {count}")
    )
    write_text(file, as_lines([question.as_row() for question in written]))
    typer.echo(
        f'{len(written)} questions in {file}. Review each: correct it and set "review" to '
        "accepted or rejected."
    )


def _refuse_existing(file: Path) -> None:
    if file.exists():
        raise typer.BadParameter(f"{file} exists already; name a new file for the questions")


def _tell(text: str) -> None:
    typer.echo(f"\r{text}", err=True, nl=False)


def _beside(file: Path) -> Path:
    return file.with_name(f"{file.stem}-report")


def _print_run(done: "Run") -> None:
    from app.evaluation.page import LABELS
    from app.evaluation.summary import EVERYTHING

    figures = done.summary.groups[EVERYTHING]
    typer.echo()
    for name, label in LABELS.items():
        if figure := figures.get(name):
            typer.echo(
                f"{label:<42} {figure.value:6.3f}  [{figure.low:6.3f}, {figure.high:6.3f}]"
                f"  n={figure.n}"
            )
    typer.echo()
    for stage, count in done.summary.funnel.items():
        if count:
            typer.echo(f"{stage:<42} {count:6d}")
    typer.echo(f"\n{done.json_path}\n{done.page_path}")


def _print_comparison(found: "Comparison") -> None:
    from app.evaluation.page import LABELS

    for name, difference in found.differences.items():
        typer.echo(
            f"{LABELS[name]:<42} {difference.value:+6.3f}  "
            f"[{difference.low:+6.3f}, {difference.high:+6.3f}]  p={difference.p:.3f}  "
            f"n={found.num_questions[name]}"
        )
    typer.echo(f"\n{len(found.won)} questions won, {len(found.lost)} lost")
    for question in found.lost[:20]:
        typer.echo(f"  lost: {question}")
    if found.num_left_out:
        typer.echo(f"{found.num_left_out} questions are in one of the reports only")
