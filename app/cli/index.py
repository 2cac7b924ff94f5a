"""`cimiento index`: look at the dense index, merge its segments, rebuild it. Needs no model."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import typer

from app.cli.context import AsJson, errors_to_exit, load_cli_settings, print_json

if TYPE_CHECKING:
    from core.index_status import IndexStatus
    from core.merging import Replaced, Workshop

index_app = typer.Typer(name="index", help="Keep the dense index.", no_args_is_help=True)

# A merge that the service has under way ends within this time.
_WAIT_S: Final = 600.0


@index_app.callback()
def index() -> None:
    """Keep the dense index."""


@index_app.command("status")
def status(as_json: AsJson = False) -> None:
    """Show the segments: what they hold, how exact they are, and what is damaged."""
    # Late: see app.cli.context.
    from core.index_status import read_status

    with errors_to_exit(), _workshop() as shop:
        found = read_status(shop)
    if as_json:
        print_json({**asdict(found), "segments": [asdict(one) for one in found.segments]})
    else:
        _print_status(found)


@index_app.command("merge")
def merge(as_json: AsJson = False) -> None:
    """Merge into the fewest segments and drop every deleted vector; safe beside a service."""
    from core.merge_plan import choose_full_merge
    from core.merging import merge_once

    done = []
    with errors_to_exit(), _workshop() as shop, shop.lock(wait_s=_WAIT_S):
        while (merged := merge_once(shop, choose_full_merge)) is not None:
            done.append(merged)
    _print_done(done, as_json=as_json)


@index_app.command("rebuild")
def rebuild(as_json: AsJson = False) -> None:
    """Write the index anew from the vectors in the database; safe beside a service."""
    from core.merging import rebuild_all

    with errors_to_exit(), _workshop() as shop, shop.lock(wait_s=_WAIT_S):
        done = rebuild_all(shop)
    _print_done(done, as_json=as_json)


@contextmanager
def _workshop() -> Iterator["Workshop"]:
    settings = load_cli_settings()
    import migrations
    from app.wiring import build_database, build_store
    from core.merging import Workshop

    database = build_database(settings)
    try:
        migrations.check(database)
        root = build_store(settings, database).segments_root
        yield Workshop(database, root, num_threads=os.cpu_count() or 1)
    finally:
        database.close()


def _print_done(done: "list[Replaced]", *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(one) for one in done])
        return
    for one in done:
        typer.echo(f"{one.num_old} segments -> {one.num_new}, {one.num_vectors} vectors")
    if not done:
        typer.echo("there was nothing to do")


def _print_status(found: "IndexStatus") -> None:
    for one in found.segments:
        if one.error is not None:
            typer.echo(f"{one.id}  DAMAGED  {one.error}")
            continue
        lists = f", {one.num_lists} lists, {one.probes.get(10)} probed" if one.num_lists else ""
        typer.echo(
            f"{one.id}  {one.embedding_model}  {one.kind}{lists}  {one.num_vectors} vectors, "
            f"{one.num_deleted} deleted  recall@10 {one.recall10:.3f}  {one.num_bytes} bytes"
        )
    if found.num_next_vectors:
        typer.echo(f"the next embedding model has embedded {found.num_next_vectors} chunks so far")
    typer.echo(
        f"generation {found.generation}: {len(found.segments)} segments, "
        f"{found.num_vectors} vectors, {found.num_deleted} deleted, {found.num_bytes} bytes"
    )
