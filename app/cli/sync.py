"""`cimiento add --sync`: a collection that follows a folder, and a line for whatever was done."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from app.cli.context import FAILED, open_services, print_json
from core.settings import Settings

if TYPE_CHECKING:
    from app.adding import Added
    from app.syncing import Step

_QUIET: Final = "unchanged"


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """What was asked for besides the folder."""

    collection: str
    password: str | None
    dry_run: bool
    allow_empty: bool
    as_json: bool


def sync_folder(
    settings: Settings,
    root: Path,
    options: SyncOptions,
    show: Callable[[Sequence["Added"]], None],
) -> list["Step"]:
    """Compare, and do what is to be done unless it is a dry run. Raises `EmptyFolderError`."""
    # Late: see app.cli.context.
    from app.adding import see_through
    from app.receiving import receiving
    from app.syncing import Folder, apply_sync, plan_sync
    from app.wiring import build_worker
    from core.access import Access

    with open_services(settings, upgrade=True) as services:
        collection = services.collections.get(options.collection, Access.to_everything())
        folder = Folder(root, collection)
        steps = plan_sync(services, folder, allow_empty=options.allow_empty)
        if options.dry_run:
            return steps
        worker = partial(build_worker, settings, services.store, services.embedder)
        wait = partial(see_through, services, build_worker=worker, show=show)
        with receiving(services):
            return apply_sync(services, folder, steps, see_through=wait, password=options.password)


def print_sync(root: Path, options: SyncOptions, steps: Sequence["Step"]) -> None:
    """Say what was done. Exit code 1 when something failed."""
    if options.as_json:
        print_json(_report(root, options, steps))
    else:
        _print(steps, dry_run=options.dry_run)
    if any(step.action == "failed" for step in steps):
        raise typer.Exit(FAILED)


def _print(steps: Sequence["Step"], *, dry_run: bool) -> None:
    for step in steps:
        if step.action != _QUIET:
            reason = f" ({step.reason})" if step.reason else ""
            typer.echo(f"{_words(step.action):11} {step.name}{reason}")
    counts = ", ".join(f"{count} {_words(action)}" for action, count in _count(steps).items())
    typer.echo(f"{counts}{'; nothing was changed (--dry-run)' if dry_run else ''}")


def _words(action: str) -> str:
    return action.replace("_", " ")


def _count(steps: Sequence["Step"]) -> dict[str, int]:
    counts = Counter(str(step.action) for step in steps)
    return {action: counts[action] for action in ("added", "updated", "removed")} | counts


def _report(root: Path, options: SyncOptions, steps: Sequence["Step"]) -> dict[str, object]:
    return {
        "folder": str(root.resolve()),
        "collection": options.collection,
        "dry_run": options.dry_run,
        "counts": _count(steps),
        "items": [
            {
                "action": step.action,
                "name": step.name,
                "document_id": step.document_id,
                "reason": step.reason or None,
            }
            for step in steps
        ],
    }
