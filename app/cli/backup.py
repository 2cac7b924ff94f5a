"""`cimiento backup` and `cimiento restore`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import (
    FAILED,
    AsJson,
    errors_to_exit,
    load_cli_settings,
    open_database,
    print_json,
)
from app.cli.verify import print_report, run_verify
from core.settings import Settings

if TYPE_CHECKING:
    from app.backup.manifest import Manifest
    from app.backup.restoring import Place, Restored
    from app.backup.taking import Taken


def backup(
    target: Annotated[Path, typer.Argument(help="Folder of backups; made where there is none.")],
    keep: Annotated[
        int | None, typer.Option(min=1, help="Leave only so many backups, the newest.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Copy documents, rows, settings and what was trained into a folder, while the service runs;
    what it has already is not copied again.
    """
    settings = load_cli_settings()
    # Late: see app.cli.context.
    from app.backup.folder import BackupFolder
    from app.backup.settings import chosen_settings
    from app.backup.taking import Source, take_backup
    from app.backup.trained import Trained
    from app.wiring import build_store
    from core.deletions import LOG_NAME, DeletionLog

    with open_database(settings, exactly=True) as database:
        source = Source(
            database=database,
            blobs=build_store(settings, database).blobs,
            deletions=DeletionLog(settings.data_dir / LOG_NAME),
            settings=chosen_settings(settings),
            models=(settings.models.answer, settings.models.embedding),
            trained=Trained.of(settings),
        )
        taken = take_backup(source, BackupFolder(target), keep=keep)
    if as_json:
        print_json(_facts(taken))
    else:
        _print_taken(taken)
    if taken.manifest.lost:
        typer.echo(
            f"{len(taken.manifest.lost)} uploaded files are lost or damaged and are not in it; "
            "'cimiento verify' names their documents",
            err=True,
        )
        raise typer.Exit(FAILED)


def restore(
    source: Annotated[Path, typer.Argument(help="Folder of backups.")],
    backup_id: Annotated[
        str | None, typer.Option("--backup", help="Id of the backup; by default the newest.")
    ] = None,
    deletions: Annotated[
        list[Path] | None, typer.Option(help="Another log of what was deleted since.")
    ] = None,
    with_deleted: Annotated[
        bool, typer.Option("--with-deleted", help="Bring back what was deleted since.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put a backup into an empty data folder and database, and verify it."""
    # Late: see app.cli.context.
    from app.backup.folder import BackupFolder
    from app.backup.restoring import read_deletions
    from app.backup.restoring import restore as restore_backup

    folder = BackupFolder(source)
    with errors_to_exit():
        manifest = folder.get(backup_id)
    settings = load_cli_settings()
    with errors_to_exit():
        with _empty_place(settings) as place:
            known = read_deletions(folder, place, deletions or [], needed=not with_deleted)
            done = restore_backup(
                folder, manifest, place, deletions=known, with_deleted=with_deleted
            )
        report = run_verify(settings, repair=False)
    if as_json:
        print_json(
            {"backup": manifest.id, **asdict(done), "verify": asdict(report), "ok": report.is_ok}
        )
    else:
        _print_restored(settings, manifest, done)
        print_report(report)
    if not report.is_ok:
        raise typer.Exit(FAILED)


def backups(
    source: Annotated[Path, typer.Argument(help="Folder of backups.")],
    check: Annotated[
        bool, typer.Option("--check", help="Hash everything again that they name.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the backups in a folder, oldest first."""
    # Late: see app.cli.context.
    from app.backup.folder import BackupFolder

    folder = BackupFolder(source)
    with errors_to_exit():
        # `get` says so where there is none
        found = [folder.get(each) for each in folder.list_ids()] or [folder.get(None)]
        num_checked = 0
        if check:
            num_checked = folder.check({name for each in found for name in folder.objects_of(each)})
    if as_json:
        print_json([{"id": each.id, "created_at": each.created_at} for each in found])
        return
    for each in found:
        moment = each.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        typer.echo(
            f"{each.id}  {moment}  Cimiento {each.version}, {each.database}, "
            f"{each.documents.num_rows} uploaded files"
        )
    if check:
        typer.echo(f"{num_checked} objects are what they were")


@contextmanager
def _empty_place(settings: Settings) -> "Iterator[Place]":
    from app.backup.restoring import Place
    from app.wiring import build_database, build_lexical, build_store

    database = build_database(settings)
    try:
        store = build_store(settings, database)
        lexical = build_lexical(settings.data_dir, database)
        yield Place(settings.data_dir, store, lexical, settings.models_dir)
    finally:
        database.close()


def _facts(taken: "Taken") -> dict[str, object]:
    manifest = taken.manifest
    return {
        "id": manifest.id,
        "created_at": manifest.created_at,
        "documents": manifest.documents.num_rows,
        "rows": sum(table.num_rows for table in manifest.tables),
        "new_objects": taken.num_new,
        "removed_backups": taken.num_removed,
        "lost": list(manifest.lost),
        "seconds": round(taken.seconds, 3),
    }


def _print_taken(taken: "Taken") -> None:
    facts = _facts(taken)
    typer.echo(
        f"{facts['id']}: {facts['documents']} uploaded files and {facts['rows']} rows, "
        f"{facts['new_objects']} objects of it new, in {taken.seconds:.1f} s"
    )
    if taken.num_removed:
        typer.echo(f"removed {taken.num_removed} older backups")


def _print_restored(settings: Settings, manifest: "Manifest", done: "Restored") -> None:
    from app.backup.restoring import SETTINGS_NAME

    typer.echo(f"restored {manifest.id}: {done.num_documents} uploaded files, {done.num_rows} rows")
    for verb, counts in (("deleted again", done.deleted_again), ("brought back", done.returned)):
        if counts:
            told = ", ".join(f"{count} of kind {kind}" for kind, count in sorted(counts.items()))
            typer.echo(f"{verb} what was deleted since: {told}")
    typer.echo(f"settings that were chosen are in {settings.data_dir / SETTINGS_NAME}")
    typer.echo(f"it was answered with {' and '.join(manifest.models)}; 'cimiento models pull'")
