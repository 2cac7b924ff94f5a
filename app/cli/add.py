"""`cimiento add`: files and folders into a collection, until they are searchable."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from app.cli.context import (
    FAILED,
    AsJson,
    errors_to_exit,
    load_cli_settings,
    open_services,
    print_json,
)
from core.settings import Settings

if TYPE_CHECKING:
    from app.adding import Added

Show = Callable[[Sequence["Added"]], None]


def add(
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Files and folders.")],
    collection: Annotated[str, typer.Option("--collection", "-c")] = "default",
    as_json: AsJson = False,
) -> None:
    """Add documents and wait until they are searchable; works beside a running service as well."""
    settings = load_cli_settings()
    with errors_to_exit():
        added, passed_over = _add(settings, paths, collection)
    if as_json:
        print_json([_fields(item) for item in added])
    else:
        _print(added, passed_over)
    if not added or any(item.state != "searchable" for item in added):
        raise typer.Exit(FAILED)


def _add(
    settings: Settings, paths: list[Path], collection: str
) -> tuple[list["Added"], list["Added"]]:
    # Late: see app.cli.context.
    from app.adding import find_files, is_foreign, see_through, upload
    from app.receiving import receiving
    from app.wiring import build_worker
    from core.access import Access

    with open_services(settings, upgrade=True) as services:
        target = services.collections.get(collection, Access.to_everything()).id
        with (
            _progress() as show,
            receiving(settings.data_dir, sweep=services.blobs.sweep_incoming),
        ):
            uploaded = [upload(services, path, target) for path in find_files(paths)]
            # a folder may hold anything; a file that was named should be readable
            passed_over = [item for item in uploaded if item.path not in paths and is_foreign(item)]
            wanted = [item for item in uploaded if item not in passed_over]
            done = see_through(
                services,
                wanted,
                lambda: build_worker(settings, services.store, services.embedder),
                show=show,
            )
    return done, passed_over


@contextmanager
def _progress() -> Iterator[Show]:
    """A bar per file that is worked on, on standard error; silent where that is no terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[stage]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[Path, TaskID] = {}

        def show(added: Sequence["Added"]) -> None:
            for item in added:
                if item.is_open and item.job and item.job.stage and item.path not in tasks:
                    tasks[item.path] = bars.add_task(item.path.name[:40], total=None, stage="")
                if item.path in tasks and item.job is not None:
                    bars.update(
                        tasks[item.path],
                        completed=item.job.done if item.is_open else 1,
                        total=item.job.total if item.is_open else 1,
                        stage=item.job.stage or item.state if item.is_open else item.state,
                    )

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
