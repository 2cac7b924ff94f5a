"""`cimiento index`: look at the indexes, merge the segments, rebuild both. Needs no model."""

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
    from retrieval.lexical.follower import LexicalFollower, LexicalStatus

index_app = typer.Typer(name="index", help="Keep the indexes.", no_args_is_help=True)

# A merge that the service has under way ends within this time.
_WAIT_S: Final = 600.0


@index_app.callback()
def index() -> None:
    """Keep the indexes."""


@index_app.command("status")
def status(as_json: AsJson = False) -> None:
    """Show what the indexes hold, how exact and how current they are, and what is damaged."""
    # Late: see app.cli.context.
    from core.index_status import read_status

    with errors_to_exit(), _indexes() as (shop, lexical):
        found = read_status(shop)
        words = lexical.status()
    if as_json:
        segments = [asdict(one) for one in found.segments]
        print_json({**asdict(found), "segments": segments, "lexical": asdict(words)})
    else:
        _print_status(found)
        _print_lexical(words)


@index_app.command("merge")
def merge(as_json: AsJson = False) -> None:
    """Merge into the fewest segments and drop every deleted vector; safe beside a service."""
    from core.merge_plan import choose_full_merge
    from core.merging import merge_once

    done = []
    with errors_to_exit(), _indexes() as (shop, _), shop.lock(wait_s=_WAIT_S):
        while (merged := merge_once(shop, choose_full_merge)) is not None:
            done.append(merged)
    _print_done(done, as_json=as_json)


@index_app.command("rebuild")
def rebuild(as_json: AsJson = False) -> None:
    """Write both indexes anew from the rows in the database; safe beside a service."""
    from core.merging import rebuild_all

    with errors_to_exit(), _indexes() as (shop, lexical):
        with shop.lock(wait_s=_WAIT_S):
            done = rebuild_all(shop)
        num_chunks = lexical.rebuild(max_wait_s=_WAIT_S).num_chunks
    if as_json:
        dense = [asdict(one) for one in done]
        print_json({"dense": dense, "lexical": {"num_chunks": num_chunks}})
    else:
        _print_done(done, as_json=False)
        typer.echo(f"lexical: {num_chunks} chunks")


@contextmanager
def _indexes() -> Iterator[tuple["Workshop", "LexicalFollower"]]:
    settings = load_cli_settings()
    import migrations
    from app.wiring import build_database, build_lexical, build_store
    from core.merging import Workshop

    database = build_database(settings)
    try:
        migrations.check(database)
        files = build_store(settings, database).segments
        shop = Workshop(database, files, num_threads=os.cpu_count() or 1)
        yield shop, build_lexical(settings.data_dir, database)
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


def _print_lexical(found: "LexicalStatus") -> None:
    if found.error is not None:
        typer.echo(f"lexical  DAMAGED  {found.error}")
        return
    standing = "up to date" if found.is_current else "behind: a service brings it up to date"
    followed = "not built yet" if found.generation is None else f"generation {found.generation}"
    typer.echo(f"lexical: {followed}, {found.num_chunks} of {found.num_live} chunks, {standing}")
