"""`cimiento eval`: how good the service is on an owner's own questions, and what a change did."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from app.cli.context import (
    FAILED,
    AsJson,
    errors_to_exit,
    load_cli_settings,
    open_services,
    print_json,
)
from app.cli.options import PromptName, takes_options
from app.cli.search import Collections, TopK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.evaluation.comparing import Comparison
    from app.evaluation.reports import Run
    from app.evaluation.summary import Figure
    from app.services import Services

# Of what a run measures, what is printed by language and by kind of question.
_OF_GROUPS: Final = ("right", "score", "recall_5", "false_refusal", "refused_rightly")
_WIDTH: Final = 50

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
    prompt: PromptName = None
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
    from app.asking import narrow, options_for
    from app.evaluation.cases import as_lines, load_cases
    from app.evaluation.reports import run_and_write
    from app.evaluation.running import Asking
    from app.files import write_text
    from core.access import Access, Caller

    is_written = bool(options.generate or options.from_feedback)
    if is_written:
        _refuse_existing(file)
    folder = options.out or _beside(file)
    with errors_to_exit():
        # before the models: what is wrong with a file or a folder is told at once
        cases = [] if is_written else load_cases(file)
        _check_paths(file, folder / "report.json", options)
        with open_services(settings, upgrade=False) as services:
            access = narrow(services.collections, Access.to_everything(), collections)
            if options.generate:
                _generate(services, access, file, options.generate)
                return
            if options.from_feedback:
                judged = services.feedback.gold(Caller.owner())
                write_text(file, as_lines(gold.line for gold in judged))
                cases = load_cases(file)
            how = options_for(services, access, caller=Caller.owner(), prompt=options.prompt)
            asking = Asking(access, top_k or settings.retrieval.top_k, how)
            done = run_and_write(
                services,
                cases,
                asking,
                source=file,
                folder=folder,
                on_asked=lambda count: _tell(f"question {count} of {len(cases)}"),
            )
    if as_json:
        print_json(done.report)
    else:
        _print_run(done)
    if options.gate is not None:
        # JSON was printed already, and must stay one object
        _compare(
            options.gate, done.json_path, gate=True, show=None if as_json else print_comparison
        )


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
    _compare(before, after, gate=gate, show=_print_as_json if as_json else print_comparison)


def _compare(
    before: Path, after: Path, *, gate: bool, show: "Callable[[Comparison], None] | None"
) -> None:
    from app.evaluation.comparing import compare as compare_reports
    from app.evaluation.reports import load_report

    with errors_to_exit():
        found = compare_reports(load_report(before), load_report(after))
    if show is not None:
        show(found)
    if gate and found.losses:
        typer.echo(f"significant loss: {', '.join(found.losses)}", err=True)
        raise typer.Exit(FAILED)


def _generate(services: "Services", access: Any, file: Path, number: int) -> None:
    from app.evaluation.cases import as_lines
    from app.evaluation.generating import write_questions
    from app.files import write_text

    written = write_questions(
        services, access, number, on_tried=lambda count: _tell(f"passage {count}")
    )
    write_text(file, as_lines(question.as_row() for question in written))
    typer.echo(
        f'{len(written)} questions in {file}. Review each: correct it and set "review" to '
        "accepted or rejected."
    )


def _check_paths(file: Path, report: Path, options: RunOptions) -> None:
    from app.evaluation.reports import load_report
    from app.files import require_writable

    if options.generate or options.from_feedback:
        require_writable(file)
    if not options.generate:
        require_writable(report)
    if options.gate is not None:
        load_report(options.gate)


def _refuse_existing(file: Path) -> None:
    if file.exists():
        raise typer.BadParameter(f"{file} exists already; name a new file for the questions")


def _tell(text: str) -> None:
    """How far it is: for who watches, not for a file."""
    if sys.stderr.isatty():
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
            _print_figure(label, figure)
    _print_groups(done.summary.groups)
    typer.echo()
    for stage, count in done.summary.funnel.items():
        if count:
            typer.echo(f"{stage:<{_WIDTH}} {count:6d}")
    typer.echo(f"\n{done.json_path}\n{done.page_path}")


def _print_figure(label: str, figure: "Figure") -> None:
    typer.echo(
        f"{label:<{_WIDTH}} {figure.value:6.3f}  [{figure.low:6.3f}, {figure.high:6.3f}]"
        f"  n={figure.n}"
    )


def _print_groups(groups: "Mapping[str, Mapping[str, Figure]]") -> None:
    """By language and kind of question: what most people look at first."""
    from app.evaluation.page import LABELS
    from app.evaluation.summary import EVERYTHING

    for name in _OF_GROUPS:
        rows = {key: each[name] for key, each in groups.items() if name in each}
        if set(rows) <= {EVERYTHING}:
            continue
        typer.echo(f"\n{LABELS[name]}")
        for key, figure in rows.items():
            _print_figure(f"  {key}", figure)


def _print_as_json(found: "Comparison") -> None:
    print_json({**asdict(found), "losses": found.losses})


def print_comparison(found: "Comparison") -> None:
    """Print the differences between two runs."""
    from app.evaluation.page import LABELS

    for name, difference in found.differences.items():
        typer.echo(
            f"{LABELS[name]:<{_WIDTH}} {difference.value:+6.3f}  "
            f"[{difference.low:+6.3f}, {difference.high:+6.3f}]  p={difference.p:.3f}  "
            f"n={found.num_questions[name]}"
        )
    typer.echo(f"\n{len(found.won)} questions won, {len(found.lost)} lost")
    for question in found.lost[:20]:
        typer.echo(f"  lost: {question}")
    if found.num_left_out:
        typer.echo(f"{found.num_left_out} questions are in one of the reports only")
