"""`cimiento calibrate`: fit confidence to an owner's questions about one collection."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import AsJson, errors_to_exit, load_cli_settings, open_services, print_json
from app.cli.options import takes_options

if TYPE_CHECKING:
    from app.evaluation.calibrating import Calibrated


@dataclass(frozen=True, slots=True)
class CalibrateOptions:
    """What becomes of the fit."""

    collection: Annotated[
        str, typer.Option("--collection", "-c", help="The collection that is asked.")
    ] = "default"
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Fit and show; keep nothing.")] = False
    reset: Annotated[
        bool, typer.Option("--reset", help="Forget the collection's calibration; FILE is not read.")
    ] = False
    chart: Annotated[
        Path | None, typer.Option("--chart", help="SVG file for the curve; else beside FILE.")
    ] = None


@takes_options(CalibrateOptions)
def calibrate(
    file: Annotated[Path | None, typer.Argument(help="Questions, one JSON object a line.")] = None,
    *,
    options: CalibrateOptions,
    as_json: AsJson = False,
) -> None:
    """Refit the confidence that decides refusals on questions of your own."""
    if (file is None) != options.reset:
        raise typer.BadParameter("name a file of questions, or --reset")
    settings = load_cli_settings()
    # Late: see app.cli.context.
    from app.asking import narrow
    from app.evaluation.calibrating import calibrate as fit
    from app.evaluation.cases import load_cases
    from app.evaluation.charts import draw_curves
    from app.files import require_writable, write_text
    from core.access import Access

    # with --reset there is no file, and no chart is drawn
    chart = options.chart or (file or Path("none")).with_suffix(".svg")
    with errors_to_exit():
        cases = load_cases(file) if file else []
        if file is not None:
            require_writable(chart)
        with open_services(settings, upgrade=False) as services:
            access = narrow(services.collections, Access.to_everything(), [options.collection])
            collection = services.collections.get(options.collection, access)
            if file is None:
                gone = services.calibrations.remove(collection.id)
                typer.echo("forgotten" if gone else "there was none")
                return
            done = fit(services, cases, access, source=file)
            if not options.dry_run:
                services.calibrations.store(collection.id, done.calibration)
        write_text(chart, draw_curves(done.curves, "Risk over coverage") + "\n")
    if as_json:
        print_json(asdict(done))
    else:
        _print(done, chart, is_kept=not options.dry_run)


def _print(done: "Calibrated", chart: Path, *, is_kept: bool) -> None:
    kept = done.calibration
    gain = done.gain
    typer.echo(f"{kept.num_questions} questions, {done.num_right} of them answered rightly")
    typer.echo(f"min_confidence             {kept.min_confidence:.3f}")
    typer.echo(f"right answers refused      {done.refused_but_right:.3f}")
    typer.echo(f"right when answered        {done.right_when_answered:.3f}")
    typer.echo(f"less risk than built in    {gain.value:+.3f}  [{gain.low:+.3f}, {gain.high:+.3f}]")
    if gain.high < 0:
        typer.echo("the built-in confidence is better: use --reset to keep to it", err=True)
    typer.echo(f"{'kept' if is_kept else 'not kept'}; the curve is in {chart}")
