"""`cimiento add`: files and folders into a collection, until they are searchable."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from app.cli.context import (
    FAILED,
    AsJson,
    errors_to_exit,
    load_cli_settings,
    open_services,
    print_json,
)
from app.cli.sync import SyncOptions, print_sync, sync_folder

if TYPE_CHECKING:
    from app.adding import Added
    from app.services import Services

Show = Callable[[Sequence["Added"]], None]


def add(
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Files and folders.")],
    collection: Annotated[str, typer.Option("--collection", "-c")] = "default",
    password: Annotated[
        str | None,
        typer.Option("--password", help="Opens the encrypted files among them; - asks for it."),
    ] = None,
    sync: Annotated[
        bool, typer.Option("--sync", help="Make the collection follow the one folder.")
    ] = False,
    # one parameter: what is only said may always be said, also of a folder that is empty
    only_say: Annotated[
        bool | None,
        typer.Option(
            "--dry-run/--allow-empty",
            help="With --sync: only say what would be done, or do it though the folder is empty.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add documents and wait until they are searchable; works beside a running service as well."""
    settings = load_cli_settings()
    if password == "-":  # noqa: S105 - the word that asks for one
        password = typer.prompt("Password", hide_input=True, err=True)
    if sync:
        if len(paths) != 1 or not paths[0].is_dir():
            raise typer.BadParameter("--sync takes one folder", param_hint="PATH")
        dry_run, allow_empty = only_say is True, only_say is not None
        options = SyncOptions(collection, password, dry_run, allow_empty, as_json)
        with errors_to_exit(), show_progress() as show:
            steps = sync_folder(settings, paths[0], options, show)
        print_sync(paths[0], options, steps)
        return
    if only_say is not None:
        raise typer.BadParameter("--dry-run and --allow-empty belong to --sync")
    # Late: see app.cli.context.
    from app.wiring import build_worker

    wanted = Wanted(paths, collection, password)
    with errors_to_exit(), open_services(settings, upgrade=True) as services:
        outcome = add_files(
            services, wanted, lambda: build_worker(settings, services.store, services.embedder)
        )
    end(outcome, as_json=as_json)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to become searchable, and where."""

    paths: list[Path]
    collection: str
    password: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the files, and which of a folder's could not be read by anybody."""

    added: list["Added"]
    passed_over: list["Added"]


def add_files(
    services: "Services",
    wanted: Wanted,
    build_worker: Callable[[], AbstractContextManager[object]],
    *,
    beside: AbstractContextManager[object] = nullcontext(),
    check: Callable[[], None] = lambda: None,
) -> Outcome:
    """Upload the files and wait for their ends; `build_worker` works where nobody else does.

    `beside` is entered once all are stored, for the time of waiting. `check` is called again and
    again meanwhile, and may raise.
    """
    # Late: see app.cli.context.
    from app.adding import find_files, is_foreign, see_through, upload
    from app.receiving import receiving
    from core.access import Access

    target = services.collections.get(wanted.collection, Access.to_everything()).id
    with show_progress() as show, receiving(services):
        uploaded = [
            upload(services, path, target, name=name, password=wanted.password)
            for path, name in find_files(wanted.paths)
        ]
        # a folder may hold anything; a file that was named should be readable
        passed_over = [
            item for item in uploaded if item.path not in wanted.paths and is_foreign(item)
        ]
        readable = [item for item in uploaded if item not in passed_over]

        def on_look(added: Sequence["Added"]) -> None:
            check()
            show(added)

        with beside:
            added = see_through(services, readable, build_worker, show=on_look)
        return Outcome(added, passed_over)


def end(outcome: Outcome, *, as_json: bool) -> None:
    """Say what became of the files; exit code 1 unless all are searchable."""
    if as_json:
        print_json([_fields(item) for item in outcome.added])
    else:
        _print(outcome.added, outcome.passed_over)
    # what is attached to a mail fails on its own: the mail itself is searchable
    wanted = [item for item in outcome.added if not item.is_attachment]
    if not wanted or any(item.state != "searchable" for item in wanted):
        raise typer.Exit(FAILED)


@contextmanager
def show_progress() -> Iterator[Show]:
    """A bar for all files and one for each that is worked on, on standard error.

    Silent where that is no terminal.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[stage]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        everything = bars.add_task("", total=None, stage="")
        tasks: dict[Path, TaskID] = {}

        def show(added: Sequence["Added"]) -> None:
            num_done = sum(not item.is_open for item in added)
            bars.update(
                everything, completed=num_done, total=len(added), stage=f"{num_done}/{len(added)}"
            )
            running = {item.path: item.job for item in added if item.is_open and item.job}
            for path, job in running.items():
                if job.stage is None:
                    continue
                if path not in tasks:
                    tasks[path] = bars.add_task(escape(path.name[:40]), total=None, stage="")
                bars.update(tasks[path], completed=job.done, total=job.total, stage=job.stage)
            for path in tasks.keys() - running.keys():
                bars.remove_task(tasks.pop(path))

        yield show


def _print(added: Sequence["Added"], passed_over: Sequence["Added"]) -> None:
    for item in added:
        known = " (known already)" if item.accepted and item.accepted.deduplicated else ""
        typer.echo(f"{item.state:11} {item.path}{known}")
        if item.error is not None:
            typer.echo(f"            {item.error.message}", err=True)
    if passed_over:
        typer.echo(f"{len(passed_over)} files of other kinds were passed over")
    if not added:
        typer.echo("there was nothing to add", err=True)


def _fields(item: "Added") -> dict[str, object]:
    accepted, error = item.accepted, item.error
    return {
        "path": str(item.path),
        "state": item.state,
        "document_id": accepted and accepted.document_id,
        "version": accepted and accepted.number,
        "job_id": accepted and accepted.job_id,
        "deduplicated": bool(accepted and accepted.deduplicated),
        "error": error
        and {"code": error.code, "message": error.message, "retryable": error.retryable},
    }
