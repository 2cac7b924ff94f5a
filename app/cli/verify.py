"""`cimiento verify`: prove that what was deleted is gone, and that what is there is whole."""

from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import FAILED, AsJson, errors_to_exit, load_cli_settings, print_json
from core.errors import AlreadyRunningError
from core.settings import Settings

if TYPE_CHECKING:
    from core.verify import VerifyReport


def verify(
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare the database, the stored documents and the index; safe beside a running service."""
    settings = load_cli_settings()
    with errors_to_exit():
        report = run_verify(settings, repair=repair)
    if as_json:
        print_json({**asdict(report), "ok": report.is_ok})
    else:
        print_report(report)
    if not report.is_ok:
        raise typer.Exit(FAILED)


def run_verify(settings: Settings, *, repair: bool) -> "VerifyReport":
    """Compare everything with the truth, whether a service runs beside or not."""
    # Late: see app.cli.context.
    import migrations
    from app.receiving import is_receiving
    from app.wiring import build_checks, build_database, build_store, build_workers
    from core.verify import Premises
    from core.verify import verify as verify_premises
    from ingestion.work_lock import WorkLock
    from ingestion.workflow import IngestionQueue

    database = build_database(settings)
    with ExitStack() as stack:
        stack.callback(database.close)
        migrations.check(database, exactly=True)
        store = build_store(settings, database)
        queue = IngestionQueue(settings.jobs_url)
        stack.callback(queue.close)
        try:
            stack.enter_context(WorkLock(settings.data_dir).alone())
            # the lock speaks for whoever shares the data folder
            alone = build_workers(settings, database).are_all_here()
        except AlreadyRunningError:
            alone = False
        premises = Premises(database, store.blobs, store.segments, alone)
        receiving = is_receiving(settings.data_dir)
        checks = build_checks(store, queue, settings.data_dir, alone=alone, receiving=receiving)
        return verify_premises(premises, repair=repair, checks=checks)


def print_report(report: "VerifyReport") -> None:
    """Say what was looked at and found, for people."""
    counts = ", ".join(f"{count} {name}" for name, count in report.checked.items())
    typer.echo(f"checked {counts}")
    for finding in report.findings:
        state = "mended" if finding.mended else "WRONG "
        typer.echo(f"{state}  {finding.kind} {finding.subject}: {finding.detail}")
    if report.is_ok:
        typer.echo("everything agrees")
    else:
        typer.echo("'cimiento verify --repair' mends what can be mended", err=True)
